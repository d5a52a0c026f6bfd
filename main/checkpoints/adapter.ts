/**
 * LoRA adapters in the folder layout of PEFT: `adapter_config.json` beside `adapter_model.safetensors` (or
 * `.bin`). ΔW = s · B A with s = alpha / r, or alpha / √r for rank-stabilised LoRA (arXiv 2106.09685,
 * 2312.03732).
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ErrorCode } from '../lib/error-codes.ts';
import { AppError } from '../lib/errors.ts';
import type { StoredCheckpoint } from './checkpoint.ts';
import { checkpointError, shown } from './fail.ts';
import { openWeights } from './open-weights.ts';
import { accessError, WeightFile } from './weight-file.ts';

const MAX_CONFIG_BYTES = 1_000_000;
const CONFIG = 'adapter_config.json';
/** Safetensors first, as in PEFT itself. */
const WEIGHTS = ['adapter_model.safetensors', 'adapter_model.bin'];
const RESAVE = 'save the adapter again with PEFT, or ask its author to';

const pattern = z.record(z.string(), z.number().positive()).nullish();
const configSchema = z.object({
  peft_type: z.string(),
  r: z.number().int().positive().max(65_536),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  fan_in_fan_out: z.boolean().nullish(),
  rank_pattern: pattern,
  alpha_pattern: pattern,
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  bias: z.string().nullish(),
  modules_to_save: z.array(z.string()).nullish(),
  base_model_name_or_path: z.string().nullish(),
});

export interface AdapterConfig {
  readonly rank: number;
  readonly alpha: number;
  readonly rankStabilised: boolean;
  /** The base keeps these weights as [in, out]. */
  readonly fanInFanOut: boolean;
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  readonly targetModules: string | readonly string[];
  readonly bias: string;
  readonly modulesToSave: readonly string[];
  readonly baseModel: string | undefined;
}

/** The two factors of one weight's change. */
export interface AdapterPair {
  /** Name of the weight it changes, without PEFT's prefix. */
  readonly target: string;
  readonly kind: 'weight' | 'embedding';
  /** Tensor names in the adapter: A is [r, in, …], B is [out, r, …]. */
  readonly a: string;
  readonly b: string;
  readonly rank: number;
  readonly scaling: number;
}

export interface Adapter {
  readonly path: string;
  readonly config: AdapterConfig;
  /** By target name. */
  readonly pairs: ReadonlyMap<string, AdapterPair>;
  /** Tensors stored in full (`modules_to_save`, biases): target name to name in the adapter. */
  readonly replacements: ReadonlyMap<string, string>;
  readonly weights: StoredCheckpoint;
  close(): Promise<void>;
}

function fail(code: ErrorCode, what: string, file: string, hint = RESAVE, tensor?: string): never {
  throw checkpointError(code, { what, file, hint, tensor });
}

async function readJson(file: string): Promise<unknown> {
  let bytes: Uint8Array;
  try {
    const opened = await WeightFile.open(file);
    if (opened.size > MAX_CONFIG_BYTES) {
      return fail('adapter.config_invalid', `it has ${opened.size} bytes, too many`, file);
    }
    bytes = new Uint8Array(opened.size);
    await opened.readInto(bytes, 0);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'checkpoint.not_found') throw error;
    const hint = 'choose a folder that PEFT saved an adapter to';
    return fail('adapter.config_invalid', `there is no ${CONFIG}`, file, hint);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return fail('adapter.config_invalid', 'it is not valid JSON', file);
  }
}

function parseConfig(json: unknown, file: string): AdapterConfig {
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) {
    const type = (json as { peft_type?: unknown } | null)?.peft_type;
    if (typeof type === 'string' && type !== 'LORA') refuseKind(`of the kind ${shown(type)}`, file);
    const [issue] = parsed.error.issues;
    const key = issue?.path.join('.') ?? '';
    return fail('adapter.config_invalid', `"${shown(key)}": ${shown(issue?.message ?? '')}`, file);
  }
  const { data } = parsed;
  if (data.peft_type !== 'LORA') refuseKind(`of the kind ${shown(data.peft_type)}`, file);
  if (data.use_dora === true) refuseKind('a DoRA adapter', file);
  return {
    rank: data.r,
    alpha: data.lora_alpha,
    rankStabilised: data.use_rslora ?? false,
    fanInFanOut: data.fan_in_fan_out ?? false,
    rankPattern: data.rank_pattern ?? {},
    alphaPattern: data.alpha_pattern ?? {},
    targetModules: data.target_modules ?? [],
    bias: data.bias ?? 'none',
    modulesToSave: data.modules_to_save ?? [],
    baseModel: data.base_model_name_or_path ?? undefined,
  };
}

/** Only plain LoRA is a sum of the base and a product; DoRA also rescales every row by its own norm. */
function refuseKind(kind: string, file: string): never {
  const hint = 'merge it into its base with PEFT (merge_and_unload) and choose the resulting model';
  fail('adapter.unsupported', `it is ${kind}, whose change is not base + B·A`, file, hint);
}

/** The pattern's value for a module: a key names the module or the end of its path, as in PEFT. */
function patternValue(
  patterns: Readonly<Record<string, number>>,
  module: string,
): number | undefined {
  const row = Object.entries(patterns).find(
    ([key]) => module === key || module.endsWith(`.${key}`),
  );
  return row?.[1];
}

/** Keys that are regular expressions are not run: an expression from a foreign file can take forever. */
function checkPatterns(config: AdapterConfig, file: string): void {
  const keys = [...Object.keys(config.rankPattern), ...Object.keys(config.alphaPattern)];
  const odd = keys.find((key) => !/^[\w.-]+$/.test(key));
  if (odd === undefined) return;
  const what = `a rank or alpha pattern is a regular expression: "${shown(odd)}"`;
  fail('adapter.unsupported', what, file, 'write the names of the modules in full');
}

const PREFIX = 'base_model.model.';
/** PEFT leaves the adapter's name ("default") out when it saves; some programs do not. */
const factorName = /^(.+)\.lora_(embedding_)?([AB])(?:\.[^.]+)?(?:\.weight)?$/;
const unsupportedName = /\.lora_(?:magnitude_vector|[AB](?:\.[^.]+)?\.bias)/;
/** How PEFT's wrappers name a module stored in full; the original of it is no part of the adapter. */
const savedModule = /\.modules_to_save\.(?:default\.)?|\.base_layer\./;
const originalModule = '.original_module.';

interface Factors {
  readonly kind: AdapterPair['kind'];
  a?: string;
  b?: string;
}

class AdapterTensors {
  readonly pairs = new Map<string, AdapterPair>();
  readonly replacements = new Map<string, string>();
  readonly #factors = new Map<string, Factors>();
  readonly #weights: StoredCheckpoint;
  readonly #config: AdapterConfig;
  readonly #file: string;

  constructor(weights: StoredCheckpoint, config: AdapterConfig) {
    this.#weights = weights;
    this.#config = config;
    this.#file = weights.path;
    for (const name of weights.tensors.keys()) this.#sort(name);
    for (const [module, factors] of this.#factors) this.#pair(module, factors);
  }

  #sort(name: string): void {
    const plain = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
    if (unsupportedName.test(plain)) {
      const what = `"${shown(name)}" is of a DoRA adapter or one with biases of its own`;
      fail('adapter.unsupported', what, this.#file, 'merge it into its base with PEFT first');
    }
    const [, module, embedding, letter] = factorName.exec(plain) ?? [];
    if (module === undefined) {
      if (plain.includes(originalModule)) return;
      const target = plain.replace(savedModule, '.');
      // With biases PEFT writes a module twice; the plain name is the one it reads back.
      if (target === plain || !this.replacements.has(target)) this.replacements.set(target, name);
      return;
    }
    const kind = embedding === undefined ? 'weight' : 'embedding';
    const factors = this.#factors.get(module) ?? { kind };
    const key = letter === 'A' ? 'a' : 'b';
    if (factors.kind !== kind || factors[key] !== undefined) {
      this.#invalid(`it has two factors ${letter ?? ''} for one weight`, name);
    }
    factors[key] = name;
    this.#factors.set(module, factors);
  }

  #pair(module: string, { kind, a, b }: Factors): void {
    if (a === undefined || b === undefined) {
      return this.#invalid(
        `it has no factor ${a === undefined ? 'A' : 'B'} for this weight`,
        module,
      );
    }
    const [shapeA, shapeB] = [
      this.#weights.tensors.get(a)!.shape,
      this.#weights.tensors.get(b)!.shape,
    ];
    const [rank = 0] = shapeA;
    const kernel = shapeB.slice(2);
    if (
      shapeA.length < 2 ||
      shapeB.length !== shapeA.length ||
      shapeB[1] !== rank ||
      kernel.some((n) => n !== 1)
    ) {
      const what = `A is [${shapeA.join(', ')}] and B is [${shapeB.join(', ')}], which do not fit`;
      return this.#invalid(what, module);
    }
    const expected = patternValue(this.#config.rankPattern, module) ?? this.#config.rank;
    if (rank !== expected)
      this.#invalid(`its rank is ${rank}; the configuration says ${expected}`, module);
    const alpha = patternValue(this.#config.alphaPattern, module) ?? this.#config.alpha;
    const scaling = alpha / (this.#config.rankStabilised ? Math.sqrt(rank) : rank);
    const target = `${module}.weight`;
    this.pairs.set(target, { target, kind, a, b, rank, scaling });
  }

  #invalid(what: string, tensor: string): never {
    fail('adapter.tensor_invalid', what, this.#file, RESAVE, tensor);
  }
}

/** True for a folder that holds an adapter. */
export async function isAdapter(path: string): Promise<boolean> {
  const names = await readdir(path).catch((): string[] => []);
  return names.includes(CONFIG) && WEIGHTS.some((name) => names.includes(name));
}

/**
 * Opens an adapter's folder and checks that its tensors fit its configuration. Throws an AppError
 * `adapter.*` or `checkpoint.*`.
 */
export async function openAdapter(folder: string): Promise<Adapter> {
  const configFile = join(folder, CONFIG);
  const config = parseConfig(await readJson(configFile), configFile);
  checkPatterns(config, configFile);
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    throw await accessError(error, folder);
  }
  const file = WEIGHTS.find((name) => names.includes(name));
  if (file === undefined) {
    const hint = 'choose a folder that PEFT saved an adapter to';
    return fail(
      'checkpoint.no_weights',
      `the folder has no ${WEIGHTS.join(' and no ')}`,
      folder,
      hint,
    );
  }
  const weights = await openWeights(join(folder, file));
  const { pairs, replacements } = new AdapterTensors(weights, config);
  return { path: folder, config, pairs, replacements, weights, close: () => weights.close() };
}
