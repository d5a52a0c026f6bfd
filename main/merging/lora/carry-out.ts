/** From folders of adapters or checkpoints to a folder with one adapter: what the terminal and the window do. */
import { openAdapter, type Adapter } from '../../checkpoints/adapter.ts';
import type { StoredCheckpoint } from '../../checkpoints/checkpoint.ts';
import { openCheckpoint } from '../../checkpoints/open.ts';
import { folderPlace } from '../../lib/durable.ts';
import type { GivenParameters, ParameterPlace } from '../../lib/parameters.ts';
import { linearAlgebra } from '../linear-algebra.ts';
import { checkAdapters, type CombinedWeight } from './check-adapters.ts';
import type { CombinationId, CombineOptions } from './combine.ts';
import {
  checkExtraction,
  extractAdapter,
  type ExtractionReport,
  type ExtractionSize,
} from './extract.ts';
import { mergeAdapters } from './merge-adapters.ts';
import { combinationSettings } from './combination-records.ts';
import { extractionSettings, type ExtractionId } from './extraction-records.ts';
import { writeAdapter } from './write-adapter.ts';

export interface CarryOutOptions {
  readonly signal: AbortSignal;
  /** After each weight. */
  readonly onProgress: (done: number, total: number) => void;
}

export interface Combination {
  readonly kind: CombinationId;
  readonly paths: readonly string[];
  /** One for each adapter. */
  readonly weights: readonly number[];
  readonly parameters: GivenParameters;
}

export interface CombinationOutcome {
  readonly options: Omit<CombineOptions, 'key'>;
  readonly seed: number;
  /** Of every weight in the result. */
  readonly ranks: readonly number[];
}

/** The same without the work: what the result would hold. Reads headers alone, and throws what combining throws. */
export async function previewCombination(
  { kind, paths, weights, parameters }: Combination,
  where: ParameterPlace,
): Promise<readonly CombinedWeight[]> {
  const { rank } = combinationSettings(kind, parameters, where).options;
  return withAdapters(paths, (adapters) =>
    Promise.resolve(checkAdapters({ kind, adapters, weights, rank })),
  );
}

/** Throws `adapter.*`, `recipe.*`, `file.*`, what the readers throw, and CancelledError. */
export async function combineFolders(
  { kind, paths, weights, parameters }: Combination,
  out: string,
  where: ParameterPlace,
  { signal, onProgress }: CarryOutOptions,
): Promise<CombinationOutcome> {
  const { options, seed } = combinationSettings(kind, parameters, where);
  await folderPlace(out, false);
  return withAdapters(paths, async (adapters) => {
    const merge = { kind, adapters, weights, options, seed, signal, onProgress };
    const merged = await mergeAdapters(merge, linearAlgebra);
    await writeAdapter(out, merged, signal);
    return { options, seed, ranks: merged.pairs.map(({ rank }) => rank) };
  });
}

async function withAdapters<Result>(
  paths: readonly string[],
  work: (adapters: readonly Adapter[]) => Promise<Result>,
): Promise<Result> {
  const adapters: Adapter[] = [];
  try {
    for (const path of paths) adapters.push(await openAdapter(path));
    return await work(adapters);
  } finally {
    for (const adapter of adapters) await adapter.close();
  }
}

export interface ExtractionRequest {
  readonly by: ExtractionId;
  readonly tuned: string;
  readonly base: string;
  readonly parameters: GivenParameters;
}

export interface ExtractionPreview {
  readonly size: ExtractionSize;
  /** Those that an adapter could hold; whether they differ is not known before they are read. */
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/** Reads headers alone, and throws what extracting throws before it reads a weight. */
export async function previewExtraction(
  { by, tuned, base, parameters }: ExtractionRequest,
  where: ParameterPlace,
): Promise<ExtractionPreview> {
  const { size } = extractionSettings(by, parameters, where);
  const weights = await withCheckpoints(base, tuned, (from, to) =>
    Promise.resolve(checkExtraction(from, to)),
  );
  return { size, weights };
}

/** Throws `merge.incompatible`, `recipe.*`, `file.*`, what the readers throw, and CancelledError. */
export async function extractFromFolders(
  { by, tuned, base, parameters }: ExtractionRequest,
  out: string,
  where: ParameterPlace,
  { signal, onProgress }: CarryOutOptions,
): Promise<ExtractionReport> {
  const settings = extractionSettings(by, parameters, where);
  await folderPlace(out, false);
  return withCheckpoints(base, tuned, async (from, to) => {
    const extraction = { base: from, tuned: to, baseModel: base, ...settings, signal, onProgress };
    const { adapter, report } = await extractAdapter(extraction, linearAlgebra);
    await writeAdapter(out, adapter, signal);
    return report;
  });
}

async function withCheckpoints<Result>(
  base: string,
  tuned: string,
  work: (base: StoredCheckpoint, tuned: StoredCheckpoint) => Promise<Result>,
): Promise<Result> {
  const from = await openCheckpoint(base);
  try {
    const to = await openCheckpoint(tuned);
    try {
      return await work(from, to);
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}
