/** Who takes part in the bench of the step: a command for each engine and each way of PyTorch, run and listened to. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { writeSafetensors } from '../../main/checkpoints/writer.ts';
import type { Reduction } from '../../main/models/merged-model.ts';
import { formatVisionConfig } from '../../main/models/vision-config.ts';
import { swiftShaderFolder, vulkanEnvironment } from '../support/software-vulkan.ts';
import type { ChildOptions } from './step-child.ts';
import { randomWemoe, stepInputs, type StepSize } from './step-model.ts';

/** What a process says of itself, line by line. */
export interface Line {
  /** Whether a program on the processor plays the card. */
  readonly software?: boolean;
  readonly size?: StepSize;
  readonly gflops?: readonly [clock: number, processor: number];
  /** Rows of the matrices in the product that `gflops` is of. */
  readonly peakOf?: number;
  readonly operations?: number;
  readonly seconds?: number;
  readonly processor?: number;
  readonly loss?: number;
  readonly gradient?: number;
  readonly peakKibibytes?: number;
  readonly breakdown?: Readonly<Record<string, number>>;
  /** Why it ends. */
  readonly failure?: string;
}

export interface Contender {
  readonly title: string;
  readonly command: readonly [string, ...string[]];
  readonly threads: number;
  /** Seconds after which it is ended. */
  readonly limit: number;
  /** Environments of the processes that are tried, one after another. */
  readonly environments: readonly Readonly<Record<string, string>>[];
}

export function engineContender(options: ChildOptions): Contender {
  const { engine, storage, without, threads, limit, size } = options;
  const file = join(import.meta.dirname, 'step-child.ts');
  const folder = engine === 'onnx-webgpu' ? swiftShaderFolder() : undefined;
  return {
    title: [
      engine,
      ...(storage === 'fp32' ? [] : [storage]),
      ...without.map((name) => `− ${name}`),
    ].join(' '),
    command: [process.execPath, '--import', 'tsx', file, JSON.stringify(options)],
    threads,
    limit: patience(limit, size),
    environments: [{}, ...(folder === undefined ? [] : [vulkanEnvironment(folder)])],
  };
}

export interface PythonOptions {
  readonly python: string;
  readonly folder: string;
  readonly variant: string;
  readonly reduction: Reduction;
  readonly size: StepSize;
  readonly threads: number;
  readonly steps: number;
  readonly limit: number;
}

export function pythonContender(options: PythonOptions): Contender {
  const { python, folder, variant, reduction, size, threads, steps, limit } = options;
  const file = join(import.meta.dirname, 'step_reference.py');
  const last = [String(threads), String(steps + 1)];
  return {
    title: `PyTorch, ${variant}`,
    command: [python, file, folder, variant, reduction, ...last],
    threads,
    limit: patience(limit, size),
    environments: [{}],
  };
}

/** The same model and inputs for the reference. */
export async function writeForPython(folder: string, size: StepSize): Promise<void> {
  const model = randomWemoe(size);
  const all = [...model.constants, ...Object.entries(stepInputs(model, size))];
  await writeSafetensors(
    join(folder, 'tensors.safetensors'),
    all.map(([name, { shape, data }]) => ({ name, shape, data, dtype: 'F32' as const })),
  );
  const { batch, experts } = size;
  const config = formatVisionConfig(model.config);
  await writeFile(join(folder, 'step.json'), JSON.stringify({ config, batch, experts }));
}

/** Seconds for making the model, and for one step that takes longer than `limit`. */
function patience(limit: number, { layers }: StepSize): number {
  return 3 * limit + 10 * layers;
}

/** What it said; throws where it failed, in every environment. */
export async function run(contender: Contender): Promise<Line[]> {
  let failure: unknown;
  for (const environment of contender.environments) {
    try {
      return await runIn(environment, contender);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function runIn(
  environment: Readonly<Record<string, string>>,
  { command: [program, ...args], threads, limit }: Contender,
): Promise<Line[]> {
  const count = String(threads);
  const threadCount = {
    OMP_NUM_THREADS: count,
    MKL_NUM_THREADS: count,
    TF_NUM_INTRAOP_THREADS: count,
  };
  const child = spawn(program, args, {
    env: { ...process.env, ...threadCount, ...environment },
    timeout: 1000 * limit,
    killSignal: 'SIGKILL',
  });
  const lines: Line[] = [];
  let errors = '';
  child.stderr.on('data', (text: Buffer) => (errors = (errors + String(text)).slice(-2000)));
  const ended = new Promise<string | number | null>((resolve, reject) => {
    child.on('close', (code, signal) => {
      resolve(signal ?? code);
    });
    child.on('error', reject);
  });
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('{')) lines.push(JSON.parse(line) as Line);
  }
  const how = await ended;
  const { failure } = lines.find((line) => line.failure !== undefined) ?? {};
  if (failure !== undefined) throw new Error(failure);
  if (child.killed) throw new Error(`it was not done after ${limit} s`);
  if (how === 'SIGKILL') throw new Error('the system ended it, as it does where memory is short');
  if (how !== 0) throw new Error(`ended with ${how}: ${errors.trim().split('\n').at(-1) ?? ''}`);
  return lines;
}
