/**
 * Zero-shot heads of one CLIP model, kept on disk by content: a head that was made once, from the same
 * weights, tokenizer, class names and templates, is read instead of made again. Deleting the folder of
 * kept heads costs time and nothing else.
 */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredCheckpoint } from '../checkpoints/checkpoint.ts';
import { checkpointFingerprint } from '../checkpoints/fingerprint.ts';
import { openModel } from '../checkpoints/open-model.ts';
import { openCheckpoint } from '../checkpoints/open.ts';
import { writeSafetensors } from '../checkpoints/writer.ts';
import type { Engine } from '../engine/engine.ts';
import { createEngine } from '../engine/choice.ts';
import { cacheFolder } from '../lib/cache-folder.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor } from '../lib/tensor.ts';
import {
  loadTextModel,
  textArchitecture,
  textTensorNames,
  type TextModel,
} from '../models/text-model.ts';
import { fillTemplates, type Prompts } from './prompts.ts';
import { textFeatures, type EncodeTextsOptions } from './text-encoder.ts';
import { readTokenizer, type TextTokenizer } from './tokenizer.ts';
import { zeroShotWeights } from './zero-shot.ts';

/** Raised when the same inputs would give another head. */
const revision = 1;

export interface ZeroShotHead {
  readonly prompts: Prompts;
  /** [C, e], rows of length 1. */
  readonly weight: Tensor;
  /** ln of what the cosines are multiplied by. */
  readonly logitScale: number;
  /** SHA-256 of everything it was made from. */
  readonly identity: string;
}

export interface HeadMakerOptions {
  /** Folder of kept heads; one in the person's cache folder unless given. */
  readonly cache?: string;
  /**
   * What encodes the texts: ONNX Runtime on the CPU unless another is given. A head is an input like a
   * file, so it does not depend on the engine of the run it is used in.
   */
  readonly engine?: () => Promise<Engine>;
}

export interface HeadMaker {
  /** The head of `prompts`. Throws what reading weights, tokenizer and engine throw, CancelledError. */
  make(prompts: Prompts, options?: EncodeTextsOptions): Promise<ZeroShotHead>;
  close(): Promise<void>;
}

/**
 * Opens the CLIP model at `path`, a folder with text encoder, logit scale and tokenizer files. Throws
 * `checkpoint.*`, `model.*` and `text.tokenizer_*`.
 */
export async function openHeadMaker(
  path: string,
  {
    cache = join(cacheFolder(), 'heads'),
    engine: openEngine = () => createEngine('onnx'),
  }: HeadMakerOptions = {},
): Promise<HeadMaker> {
  const checkpoint = await openModel(path);
  try {
    const names = textTensorNames(textArchitecture(checkpoint));
    const tokenizer = await readTokenizer(path);
    // Hashing and loading weights take seconds, so both wait until they are needed, and happen once.
    const weightsHash = once((signal) => checkpointFingerprint(checkpoint, { names, signal }));
    const loaded = once(() => loadTextModel(checkpoint));
    const engine = once(openEngine);
    return {
      make: async (prompts, options = {}) => {
        const weights = await weightsHash(options.signal);
        const identity = headIdentity(checkpoint, tokenizer, weights, prompts);
        const file = join(cache, `${identity}.safetensors`);
        const kept = await readKept(file, prompts);
        if (kept !== undefined) return { ...kept, prompts, identity };
        const head = await encodeHead(await engine(), await loaded(), tokenizer, prompts, options);
        const made = { ...head, prompts, identity };
        await keep(cache, file, made);
        return made;
      },
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** Calls `make` at the first call; later ones get the same promise, or a new one after a failure. */
function once<T>(make: (signal?: AbortSignal) => Promise<T>): (signal?: AbortSignal) => Promise<T> {
  let made: Promise<T> | undefined;
  return (signal) => {
    made ??= make(signal).catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

function headIdentity(
  checkpoint: StoredCheckpoint,
  tokenizer: TextTokenizer,
  weights: string,
  { classes, templates }: Prompts,
): string {
  const config = textArchitecture(checkpoint);
  const parts = [revision, weights, config, tokenizer.identity, classes, templates];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

async function encodeHead(
  engine: Engine,
  model: TextModel,
  tokenizer: TextTokenizer,
  prompts: Prompts,
  options: EncodeTextsOptions,
): Promise<Pick<ZeroShotHead, 'weight' | 'logitScale'>> {
  const features = await textFeatures(engine, model, tokenizer, fillTemplates(prompts), options);
  return {
    weight: zeroShotWeights(features, prompts.classes.length),
    logitScale: model.logitScale,
  };
}

/** A kept head; undefined where there is none that can be read. */
async function readKept(
  file: string,
  { classes }: Prompts,
): Promise<Pick<ZeroShotHead, 'weight' | 'logitScale'> | undefined> {
  try {
    const checkpoint = await openCheckpoint(file);
    try {
      const weight = await checkpoint.read('weight');
      const { data } = await checkpoint.read('logit_scale');
      const [logitScale] = data;
      if (weight.shape[0] !== classes.length || logitScale === undefined) return undefined;
      return { weight, logitScale };
    } finally {
      await checkpoint.close();
    }
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

/** A head that cannot be kept is made again next time; nothing else depends on it. */
async function keep(cache: string, file: string, head: ZeroShotHead): Promise<void> {
  try {
    await mkdir(cache, { recursive: true });
    await writeHead(file, head);
  } catch (error) {
    const fromSystem = error instanceof Error && 'syscall' in error;
    if (!fromSystem && !(error instanceof AppError)) throw error;
  }
}

/** Writes a head file: `weight`, `logit_scale`, and in its metadata what it was made from. */
export async function writeHead(
  path: string,
  { weight, logitScale, prompts: { classes, templates }, identity }: ZeroShotHead,
): Promise<void> {
  await writeSafetensors(
    path,
    [
      { name: 'weight', dtype: 'F32', ...weight },
      { name: 'logit_scale', dtype: 'F32', shape: [], data: Float32Array.of(logitScale) },
    ],
    new Map([
      ['format', 'pt'],
      ['classes', JSON.stringify(classes)],
      ['templates', JSON.stringify(templates)],
      ['made_from', identity],
    ]),
  );
}
