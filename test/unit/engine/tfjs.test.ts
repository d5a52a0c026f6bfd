import * as tf from '@tensorflow/tfjs-core';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../main/engine/engine.ts';
import { openEngine } from '../../../main/engine/registry.ts';
import { attemptStart } from '../../../main/engine/tfjs/backends.ts';
import type { PackageLoader } from '../../../main/engine/tfjs/native.ts';
import { Builder } from '../../../main/graph/builder.ts';
import { gradient } from '../../../main/graph/gradient.ts';
import { batchOf, smallNetwork, weightNames, weights } from './small-network.ts';

let engine: Engine;
const step = gradient(smallNetwork(3, { loss: true }), {
  of: 'loss',
  withRespectTo: ['x', ...weightNames],
});

beforeAll(async () => {
  engine = await openEngine('tfjs-wasm');
});

describe('memory', () => {
  it('holds the constants while a program is loaded, does not grow over runs, and is given back', async () => {
    const before = tf.memory();
    const executable = await engine.compile(step, weights());
    const loaded = tf.memory();
    expect(loaded.numTensors - before.numTensors).toBe(weightNames.length);
    for (let run = 0; run < 5; run++) await executable.run({ x: batchOf(3) });
    expect(tf.memory()).toMatchObject({
      numTensors: loaded.numTensors,
      numDataBuffers: loaded.numDataBuffers,
      numBytes: loaded.numBytes,
    });
    await executable.dispose();
    expect(tf.memory()).toMatchObject({
      numTensors: before.numTensors,
      numDataBuffers: before.numDataBuffers,
      numBytes: before.numBytes,
    });
  });

  it('is freed while a program runs, as soon as a value is of no more use', async () => {
    const b = new Builder();
    let value = b.input('x', [64, 64]);
    for (let i = 0; i < 50; i++) value = b.unary('neg', b.unary('sigmoid', value));
    const executable = await engine.compile(b.build('chain', { value }), new Map());
    let most = 0;
    const neg = tf.getKernel('Neg', 'wasm');
    tf.unregisterKernel('Neg', 'wasm');
    tf.registerKernel({
      ...neg,
      kernelFunc: (given) => {
        most = Math.max(most, tf.memory().numTensors);
        return neg.kernelFunc(given);
      },
    });
    const before = tf.memory().numTensors;
    await executable.run({ x: { shape: [64, 64], data: new Float32Array(4096) } });
    tf.unregisterKernel('Neg', 'wasm');
    tf.registerKernel(neg);
    expect(most - before).toBeLessThan(8);
    await executable.dispose();
  });

  it('that runs out is an error in words, and the engine works on afterwards', async () => {
    const { wasm } = tf.backend() as unknown as {
      wasm: { _malloc(bytes: number): number; _free(address: number): void };
    };
    const b = new Builder();
    const program = b.build('too large', { sum: b.sum(b.fill(1, [2 ** 28]), [0]) });
    const executable = await engine.compile(program, new Map());
    const { numTensors } = tf.memory();
    // Address space only: nothing touches these bytes.
    const occupied = wasm._malloc(3.5e9);
    await expect(executable.run({})).rejects.toMatchObject({ code: 'engine.out_of_memory' });
    wasm._free(occupied);
    expect(tf.memory().numTensors).toBe(numTensors);
    const working = await engine.compile(step, weights());
    await working.run({ x: batchOf(3) });
    await working.dispose();
  });
});

it('leaves no last-resort handler on the process', () => {
  const handlers = [
    ...process.listeners('uncaughtException'),
    ...process.listeners('unhandledRejection'),
  ].map(String);
  expect(
    handlers.filter((text) => text.includes('ExitStatus') || text.includes('throw reason')),
  ).toEqual([]);
});

it('runs programs one beside the other', async () => {
  const [first, second] = [
    await engine.compile(step, weights()),
    await engine.compile(step, weights()),
  ];
  const results = await Promise.all([
    first.run({ x: batchOf(3) }),
    second.run({ x: batchOf(3) }),
    first.run({ x: batchOf(3) }),
  ]);
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
  await first.dispose();
  await second.dispose();
});

describe('native TensorFlow', () => {
  const folder = mkdtempSync(join(tmpdir(), 'native-part-'));
  const complete = join(folder, 'complete');
  mkdirSync(join(complete, 'lib', 'napi-v8'), { recursive: true });
  writeFileSync(join(complete, 'lib', 'napi-v8', 'tfjs_binding.node'), '');
  afterAll(() => rmSync(folder, { recursive: true }));

  const packages = (
    where: string | undefined,
    load: () => Promise<unknown> = () => Promise.resolve(),
  ): PackageLoader => ({ folder: () => where, load });

  /** Registers a stand-in for the native backend, as the packages do when they are loaded. */
  const registering = (isUsingGpuDevice: boolean) => () => {
    const backend = Object.assign(new tf.KernelBackend(), {
      isUsingGpuDevice,
      dispose: () => undefined,
    });
    tf.registerBackend('tensorflow', () => backend, 0);
    return Promise.resolve();
  };

  it.each([
    [
      'is not installed',
      undefined,
      /^the optional package @tensorflow\/tfjs-node is not installed$/,
    ],
    [
      'lacks its native part',
      folder,
      /^@tensorflow\/tfjs-node lacks its native part; "npm rebuild/,
    ],
    [
      'loads another copy of the library',
      complete,
      /brings its own copy of @tensorflow\/tfjs-core$/,
    ],
  ])('says that the package %s', async (_, where, reason) => {
    const attempt = await attemptStart('tfjs-node', packages(where));
    expect(attempt).toMatchObject({
      available: false,
      reason: expect.stringMatching(reason) as string,
    });
  });

  it('keeps the first line of what made loading fail', async () => {
    const load = () => Promise.reject(new Error('libcudart.so.11.0: cannot open\nlong story'));
    const attempt = await attemptStart('tfjs-node-gpu', packages(complete, load));
    expect(attempt).toEqual({ available: false, reason: 'libcudart.so.11.0: cannot open' });
  });

  it('is taken as the GPU engine where it computes on one', async () => {
    try {
      const attempt = await attemptStart('tfjs-node-gpu', packages(complete, registering(true)));
      expect(attempt).toMatchObject({ available: true, name: 'tensorflow', device: 'gpu' });
      const cpu = await attemptStart('tfjs-node', packages(complete));
      expect(cpu).toMatchObject({ available: false });
    } finally {
      tf.removeBackend('tensorflow');
    }
  });

  it('without a CUDA device serves as the CPU engine', async () => {
    try {
      const attempt = await attemptStart('tfjs-node-gpu', packages(complete, registering(false)));
      expect(attempt).toEqual({ available: false, reason: 'TensorFlow finds no CUDA device' });
      const cpu = await attemptStart('tfjs-node', packages(complete));
      expect(cpu).toMatchObject({ available: true, device: 'cpu' });
    } finally {
      tf.removeBackend('tensorflow');
    }
  });
});
