import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { openCheckpoint } from '../../checkpoints/open.ts';
import type { LabelledSet } from '../../data/labelled.ts';
import { openLabelledSet, spriteSheetAt } from '../../data/labelled-set.ts';
import { readNormalisation, readPreprocessing } from '../../data/preprocessing.ts';
import { describeSpriteSheet } from '../../data/sprite-sheet.ts';
import { createEngine } from '../../engine/choice.ts';
import { compileEncoder, evaluateTask } from '../../evaluation/evaluate.ts';
import { loadExported } from '../../exporting/load.ts';
import { expertOf } from '../../exporting/source.ts';
import { AppError } from '../../lib/errors.ts';
import type { Tensor } from '../../lib/tensor.ts';
import { loadHead, type Head } from '../../models/head.ts';
import { staticModel, type MergedModel } from '../../models/merged-model.ts';
import { featureSize } from '../../models/vision-config.ts';
import { loadVisionModel } from '../../models/vision-model.ts';
import { defineCommand } from '../command.ts';
import { smallerBatchText } from '../smaller-calls.ts';
import { padEnd, padStart } from '../terminal.ts';

const batch = 125;

export const evaluate = defineCommand({
  name: 'evaluate',
  summary: 'Measure the accuracy of a model on labelled images',
  description:
    'MODEL is an exported safetensors folder, which brings its heads, or any CLIP vision encoder together with --heads.',
  example: 'mergewright evaluate merged --tasks assets/demo/tasks/mnist assets/demo/tasks/kana',
  positionals: [{ name: 'MODEL', summary: 'folder of a model in the Hugging Face layout' }],
  options: {
    tasks: {
      kind: 'list',
      value: 'PATH',
      required: true,
      summary:
        'labelled image sets: folders of class folders, .parquet, .csv, images-idx3-ubyte or sprite sheets',
    },
    heads: {
      kind: 'text',
      value: 'DIR',
      summary: 'folder with a <task>.safetensors for each task',
    },
  },
  async run({ tasks, heads }, [path = ''], { signal, progress }) {
    const { model, values, normalisation, headOf, experts } = await openModel(path, heads);
    const engine = await createEngine('onnx');
    const encoder = await compileEncoder(engine, model, values, {
      batch,
      reduction: 'per-sample',
      onSmaller: async (change) => {
        progress.log(smallerBatchText(change));
      },
    });
    const results: { task: string; title: string; images: number; accuracy: number }[] = [];
    try {
      for (const given of tasks) {
        const task = await taskId(given);
        const preprocessing = () => readPreprocessing(path, model.config.imageSize);
        const set = await openLabelledSet(given, { task, normalisation, preprocessing });
        const head = await headOf(task, set);
        progress.start(`Evaluating ${task}`, set.labels.length, 'images');
        const onImages = (done: number) => {
          progress.update(done);
        };
        const { accuracy, images } = await evaluateTask(encoder, set, head, {
          batch,
          signal,
          onImages,
          expert: expertOf(experts, task),
        });
        results.push({ task, title: set.title, images, accuracy });
      }
    } finally {
      await encoder.dispose();
    }
    const average = results.reduce((sum, { accuracy }) => sum + accuracy, 0) / results.length;
    return { json: { model: path, tasks: results, average }, text: toText(results, average) };
  },
});

interface OpenedModel {
  readonly model: MergedModel;
  readonly values: ReadonlyMap<string, Tensor>;
  readonly normalisation: Awaited<ReturnType<typeof readNormalisation>>;
  readonly headOf: (task: string, set: LabelledSet) => Promise<Head>;
  /** Called like their tasks; empty where the model is told of none. */
  readonly experts: readonly string[];
}

async function openModel(path: string, heads: string | undefined): Promise<OpenedModel> {
  if (heads === undefined && existsSync(join(path, 'heads'))) {
    const { model, values, normalisation, tasks, experts } = await loadExported(path);
    const headOf = (task: string) => {
      const found = tasks.find(({ head }) => head.task === task);
      if (found !== undefined) return Promise.resolve(found.head);
      throw headMissing(
        task,
        path,
        `it has heads for: ${tasks.map((t) => t.head.task).join(', ')}`,
      );
    };
    return { model, values, normalisation, headOf, experts };
  }
  const checkpoint = await openCheckpoint(path);
  try {
    const model = await loadVisionModel(checkpoint);
    const features = featureSize(model.config);
    return {
      model: staticModel(model),
      values: new Map(),
      normalisation: await readNormalisation(path),
      headOf: (task) => openHead(heads, task, features, path),
      experts: [],
    };
  } finally {
    await checkpoint.close();
  }
}

async function openHead(
  folder: string | undefined,
  task: string,
  features: number,
  model: string,
): Promise<Head> {
  const path = folder === undefined ? '' : join(folder, `${task}.safetensors`);
  if (!existsSync(path))
    throw headMissing(task, model, 'give --heads DIR with a head for each task');
  const checkpoint = await openCheckpoint(path);
  try {
    return await loadHead(checkpoint, task, features);
  } finally {
    await checkpoint.close();
  }
}

function headMissing(task: string, where: string, hint: string): AppError {
  return new AppError('model.head_missing', {
    what: `there is no classification head for task "${task}"`,
    where,
    hint,
  });
}

/** The id by which the head of a set is found: its own, or what its file or folder is called. */
async function taskId(path: string): Promise<string> {
  const sheet = await spriteSheetAt(path);
  if (sheet !== undefined) return (await describeSpriteSheet(sheet)).task;
  return basename(path).replace(/\.(parquet|csv|tsv|gz)$/, '');
}

function toText(
  results: readonly { title: string; images: number; accuracy: number }[],
  average: number,
): string {
  const width = Math.max(7, ...results.map(({ title }) => title.length));
  const line = (title: string, accuracy: number, note: string) =>
    `${padEnd(title, width)}  ${padStart((100 * accuracy).toFixed(1), 5)} %${note}`;
  return [
    ...results.map(({ title, accuracy, images }) =>
      line(title, accuracy, `  of ${String(images)} images`),
    ),
    line('average', average, ''),
  ].join('\n');
}
