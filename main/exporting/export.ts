/** Exporting a merged model: built in a folder beside the target, opened again, compared, moved into place. */
import type { OutputDType } from '../checkpoints/writer.ts';
import type { Engine } from '../engine/engine.ts';
import { replaceFolderDurably } from '../lib/durable.ts';
import { throwIfCancelled } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';
import { ExportFolder, type ExportedFile } from './folder.ts';
import { modelCard } from './model-card.ts';
import { writeOnnx } from './onnx.ts';
import { prepare, type Prepared } from './prepare.ts';
import { dtypeNames, writeSafetensorsFolder } from './safetensors.ts';
import { expertNames, type ExportSource } from './source.ts';
import { snippet, type Snippet } from './usage.ts';
import {
  modelOutputs,
  noiseImages,
  verifyOnnx,
  verifySafetensors,
  type Check,
  type Verification,
} from './verify.ts';

export type ExportFormat = 'safetensors' | 'onnx';

export interface ExportOptions {
  /** Runs the source model for the comparison, and what is read back from safetensors. */
  readonly engine: Engine;
  /**
   * Of the encoder and the dictionary in safetensors; F32 by default, as a dictionary holds small
   * differences of which 16 bits keep little. Routers and heads are always F32, and so is ONNX.
   */
  readonly dtype?: OutputDType;
  /** Preprocessed images [n, c, s, s] to compare on; noise by default. */
  readonly images?: Tensor;
  /** Replaces a folder that an earlier export wrote. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Above this many bytes of weights an ONNX model keeps them in a file beside it. */
  readonly inlineBytes?: number;
  /** Hears which part begins. */
  readonly onStage?: (stage: ExportStage) => void | Promise<void>;
}

export type ExportStage = 'writing' | 'verifying' | 'publishing';

export interface ExportResult {
  readonly path: string;
  readonly format: ExportFormat;
  readonly kind: 'static' | 'dynamic';
  readonly files: readonly ExportedFile[];
  readonly bytes: number;
  readonly verification: readonly Check[];
  /** The shortest program that runs what was written; null where only Mergewright reads it. */
  readonly snippet: Snippet | null;
}

type Written = Required<Pick<ExportOptions, 'dtype' | 'inlineBytes'>>;

interface Format {
  readonly title: string;
  write(folder: ExportFolder, prepared: Prepared, options: Written): Promise<void>;
  verify(folder: ExportFolder, prepared: Prepared, by: Verification): Promise<Check[]>;
  /** Type of the weights, in words. */
  precision(options: Written): string;
  /** Largest relative difference that rounding explains. */
  tolerance(options: Written, engine: Engine): number;
}

/** One buffer holds the inline weights, and Electron's are limited. */
const inlineBytes = 2 ** 30;

export const formats: Readonly<Record<ExportFormat, Format>> = {
  safetensors: {
    title: 'safetensors, Hugging Face layout',
    write: (folder, prepared, { dtype }) => writeSafetensorsFolder(folder, prepared, dtype),
    verify: (folder, _prepared, by) => verifySafetensors(folder, by),
    precision: ({ dtype }) => dtypeNames[dtype],
    tolerance: ({ dtype }) => (dtype === 'F32' ? 1e-5 : 2e-2),
  },
  onnx: {
    title: 'ONNX, with the routers inside',
    write: (folder, prepared, options) => writeOnnx(folder, prepared, options.inlineBytes),
    verify: verifyOnnx,
    precision: () => dtypeNames.F32,
    // The file runs on the CPU; a GPU may multiply with fewer bits.
    tolerance: (_options, { description }) => (description.device === 'gpu' ? 1e-2 : 1e-5),
  },
};

/**
 * Writes `source` in `format` to the folder `target`, with recipe.yaml and a model card. The folder
 * appears only when it is complete and what was read back gives the outputs of the source model; after
 * any failure or cancellation the target is as it was. The same source gives the same bytes.
 * Throws `export.verify_failed`, `file.*`, `checkpoint.*`, CancelledError.
 */
export async function exportModel(
  source: ExportSource,
  format: ExportFormat,
  target: string,
  options: ExportOptions,
): Promise<ExportResult> {
  const { engine, signal, images = noiseImages(source.model) } = options;
  const { onStage = () => undefined } = options;
  const chosen = { dtype: options.dtype ?? 'F32', inlineBytes: options.inlineBytes ?? inlineBytes };
  const definition = formats[format];
  let result: ExportResult | undefined;

  const build = async (path: string): Promise<void> => {
    const folder = new ExportFolder(path, signal);
    const prepared = await prepare(source);
    await onStage('writing');
    throwIfCancelled(signal);
    await definition.write(folder, prepared, chosen);
    await folder.writeText('recipe.yaml', source.recipe.text);
    const precision = definition.precision(chosen);
    const card = modelCard(prepared, { format, precision, files: folder.files });
    await folder.writeText('README.md', card);
    await onStage('verifying');
    throwIfCancelled(signal);
    await folder.verifyHashes();
    const expected = await modelOutputs(
      engine,
      { ...source, experts: expertNames(source) },
      source.tasks,
      images,
    );
    throwIfCancelled(signal);
    const tolerance = definition.tolerance(chosen, engine);
    const checks = await definition.verify(folder, prepared, {
      engine,
      images,
      expected,
      tolerance,
    });
    await onStage('publishing');
    const { files } = folder;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const hashes = { what: `sha-256 of ${files.length} files read back` };
    const verification = [hashes, ...checks];
    const { kind } = prepared;
    const code = snippet(prepared, format);
    result = { path: target, format, kind, files, bytes, verification, snippet: code };
  };
  const place = { signal, overwrite: options.overwrite ?? false };
  await replaceFolderDurably(target, build, place);
  if (result === undefined) throw new Error('the export was not built');
  return result;
}
