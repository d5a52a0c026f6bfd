/** In which forms a method of a finished run can be exported, and what each costs and keeps. */
import type { ExportChoice } from '../api/exports.ts';
import { openModel } from '../checkpoints/open-model.ts';
import { dictionaryBytes } from '../exporting/sparse.ts';
import { AppError } from '../lib/errors.ts';
import { featureSize } from '../models/vision-config.ts';
import { visionArchitecture } from '../models/vision-model.ts';
import { encoderValues, modelSizes } from '../runs/estimate.ts';
import { resolveRecipePaths, type Recipe, type RecipeMethod } from '../runs/recipe.ts';
import { isMerged, type MethodReport, type Report } from '../runs/report.ts';
import { readRunRecipe, readRunReport, type RunFolder } from '../runs/run-folder.ts';

export interface Averages {
  readonly average: number | null;
  readonly normalizedAverage: number | null;
}

const unmeasured: Averages = { average: null, normalizedAverage: null };

/** Throws `run.unfinished` and `export.unknown_method`. */
export async function exportChoices(
  run: RunFolder,
  method: string,
  measuredFold: Averages | undefined,
): Promise<ExportChoice[]> {
  const report = await readRunReport(run);
  const { recipe, folder } = await readRunRecipe(run);
  const found = mergedMethod(report, recipe, method);
  const sizes = await sizesOf(found.entry, resolveRecipePaths(recipe, folder), report);
  const { average, normalizedAverage } = found.report;
  const measured = { average, normalizedAverage };
  if (!isDynamic(found.report)) {
    const choices = [
      safetensors('static', sizes.static.safetensors, measured, true),
      onnx('static', sizes.static.onnx, measured, false),
    ];
    return found.report.taskKnown === true ? choices.map(withModules) : choices;
  }
  const fold = measuredFold ?? unmeasured;
  return [
    onnx('dynamic', sizes.dynamic.onnx, measured, true),
    safetensors('dynamic', sizes.dynamic.safetensors, measured, false),
    onnx('static', sizes.static.onnx, fold, false),
    safetensors('static', sizes.static.safetensors, fold, false),
  ];
}

/** The same of a merge with a module for each task (Surgery). */
function withModules(choice: ExportChoice): ExportChoice {
  const how =
    choice.format === 'onnx'
      ? 'The module of each task is behind its logits.'
      : 'The modules of the tasks are in a file beside it, which transformers does not apply by itself.';
  return { ...choice, summary: `${choice.summary} ${how}` };
}

function mergedMethod(report: Report, recipe: Recipe, id: string) {
  const found = report.methods.find((each) => each.id === id && isMerged(each));
  const entry = recipe.methods.find((each) => each.id === id);
  if (found !== undefined && entry !== undefined) return { report: found, entry };
  const merged = report.methods.filter(isMerged).map((each) => each.id);
  throw new AppError('export.unknown_method', {
    what: `the run holds no merge "${id}"`,
    hint: `choose one of: ${merged.join(', ')}`,
  });
}

/** Whether its weights depend on the image: routers of depth 0 are constants, and fold without loss. */
function isDynamic({ reduction, parameters }: MethodReport): boolean {
  return reduction !== undefined && parameters?.['router_layers'] !== 0;
}

/** Bytes of the weights by mode and format; heads go with each. */
async function sizesOf(
  entry: RecipeMethod,
  recipe: Recipe,
  { taskDetails }: Report,
): Promise<Record<ExportChoice['mode'], Record<ExportChoice['format'], number>>> {
  const base = await openModel(recipe.base);
  try {
    const config = visionArchitecture(base);
    const { whole } = encoderValues(config);
    const heads = taskDetails.reduce((sum, { classes }) => sum + classes * featureSize(config), 0);
    const experts = taskDetails.filter(({ unseen }) => unseen !== true);
    const sizes = modelSizes(entry, { config, images: experts.map(({ images }) => images) });
    const floatBytes = Float32Array.BYTES_PER_ELEMENT;
    const modules = sizes?.frozen === true ? sizes.trainable : 0;
    const ordinary = floatBytes * (whole + heads + modules);
    const dynamic = (format: ExportChoice['format']) => {
      if (sizes === undefined) return ordinary;
      const { total, dictionary, kept } = sizes;
      const places = experts.length * dictionary;
      const others = floatBytes * (total - kept + heads);
      return Math.round(others + dictionaryBytes(format, { places, kept }));
    };
    return {
      static: { safetensors: ordinary, onnx: ordinary },
      dynamic: { safetensors: dynamic('safetensors'), onnx: dynamic('onnx') },
    };
  } finally {
    await base.close();
  }
}

type Mode = ExportChoice['mode'];

const kept: Record<Mode, string> = {
  dynamic: 'Keeps the routers: every image gets its own mix of experts, as it was measured.',
  static: 'One ordinary encoder with one weight set for all images.',
};

function safetensors(mode: Mode, bytes: number, by: Averages, recommended: boolean): ExportChoice {
  const use =
    mode === 'dynamic'
      ? 'Plain tensors for research; only this application runs them as they are.'
      : 'Opens in transformers and everything that reads the Hugging Face layout.';
  const title = `safetensors, ${mode === 'dynamic' ? 'with routers' : 'one weight set'}`;
  const summary = `${kept[mode]} ${use}`;
  return { format: 'safetensors', mode, title, summary, bytes, ...by, recommended };
}

function onnx(mode: Mode, bytes: number, by: Averages, recommended: boolean): ExportChoice {
  const title = `ONNX, ${mode === 'dynamic' ? 'with routers' : 'one weight set'}`;
  const summary = `${kept[mode]} Runs wherever ONNX Runtime does, with all heads inside.`;
  return { format: 'onnx', mode, title, summary, bytes, ...by, recommended };
}
