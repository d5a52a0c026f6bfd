import * as tf from '@tensorflow/tfjs-core';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../main/engine/engine.ts';
import { openEngine } from '../../../main/engine/registry.ts';
import { attemptStart } from '../../../main/engine/tfjs/backends.ts';
import {
  bindingPath,
  recordName,
  type NativeVariant,
} from '../../../main/engine/tfjs/installation.ts';
import { nodePackageFolder, type NativeParts } from '../../../main/engine/tfjs/native.ts';
import {
  loadCommonJs,
  loadNodePackage,
  utilWithRemoved,
} from '../../../main/engine/tfjs/node-package.ts';
import { Builder } from '../../../main/graph/builder.ts';
import { gradient } from '../../../main/graph/gradient.ts';
import { engineOrSkip } from '../../support/engines.ts';
import { expectClose } from '../../support/values.ts';
import { runOnce } from './engines-under-test.ts';
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
  const folder = mkdtempSync(join(tmpdir(), 'native-'));
  const installed = (variant: NativeVariant): string => {
    const place = join(folder, variant);
    mkdirSync(dirname(join(place, bindingPath)), { recursive: true });
    writeFileSync(join(place, bindingPath), '');
    const record = { format: 1, variant, tensorflow: '2.21.0', binding: '', installed: '' };
    writeFileSync(join(place, recordName), JSON.stringify({ ...record, sources: [] }));
    return place;
  };
  const [cpu, gpu] = [installed('cpu'), installed('gpu')];
  const half = join(folder, 'half');
  mkdirSync(half);
  writeFileSync(join(half, recordName), '{"format":1}');
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => {
    const started = tf.findBackend('tensorflow') as object | null;
    if (started !== null) tf.removeBackend('tensorflow');
  });

  /** Stands in for the kernels and the library, which a process can load but once. */
  const parts = (place: string, isUsingGpuDevice = false): NativeParts => ({
    packageFolder: () => '/package',
    folder: place,
    trial: () => Promise.resolve(undefined),
    loadPackage: () => ({
      NodeJSKernelBackend: class extends tf.KernelBackend {
        readonly isUsingGpuDevice = isUsingGpuDevice;
        override dispose(): void {}
      },
    }),
    loadBinding: () => ({}),
  });

  it.each([
    [
      'is not installed',
      'tfjs-node',
      join(folder, 'nothing'),
      /^native TensorFlow is not installed; "mergewright engines install tensorflow" installs it$/,
    ],
    ['is not installed whole', 'tfjs-node', half, /^native TensorFlow is not installed/],
    [
      'is installed without CUDA',
      'tfjs-node-gpu',
      cpu,
      /^native TensorFlow with CUDA is not installed; ".* --gpu" installs it$/,
    ],
  ] as const)('says that it %s', async (_, id, place, reason) => {
    expect(await attemptStart(id, parts(place))).toMatchObject({
      available: false,
      reason: expect.stringMatching(reason) as string,
    });
  });

  it('says that npm left its package out', async () => {
    const without = { ...parts(cpu), packageFolder: () => undefined };
    expect(await attemptStart('tfjs-node', without)).toMatchObject({
      available: false,
      reason: expect.stringMatching(/^the optional package .* npm leaves it out/) as string,
    });
  });

  it('keeps the first line of what made loading fail', async () => {
    const loadBinding = (): never => {
      throw new Error('libcudart.so.12: cannot open\nlong story');
    };
    const attempt = await attemptStart('tfjs-node-gpu', { ...parts(gpu), loadBinding });
    expect(attempt).toEqual({ available: false, reason: 'libcudart.so.12: cannot open' });
  });

  it('is taken as the GPU engine where it computes on one', async () => {
    const attempt = await attemptStart('tfjs-node-gpu', parts(gpu, true));
    expect(attempt).toMatchObject({ available: true, name: 'tensorflow', device: 'gpu' });
    expect(await attemptStart('tfjs-node', parts(gpu, true))).toMatchObject({ available: false });
  });

  it('without a CUDA device serves as the CPU engine', async () => {
    const attempt = await attemptStart('tfjs-node-gpu', parts(gpu));
    expect(attempt).toEqual({ available: false, reason: 'TensorFlow finds no CUDA device' });
    expect(await attemptStart('tfjs-node', parts(gpu))).toMatchObject({
      available: true,
      device: 'cpu',
      title: expect.stringContaining('native TensorFlow 2.21.0') as string,
    });
  });
});

describe('the files of its package', () => {
  it('get what newer versions of Node took away, and nothing else changes', () => {
    const own = { promisify: () => 'own', isArray: () => 'own' };
    const { isNullOrUndefined, isArray, promisify } = utilWithRemoved(own) as Record<
      string,
      (value: unknown) => unknown
    >;
    expect([null, undefined, 0, ''].map((value) => isNullOrUndefined?.(value))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([isArray?.([]), promisify?.(0)]).toEqual(['own', 'own']);
    expect(Object.keys(own)).toEqual(['promisify', 'isArray']);
  });

  it('find each other, what is put in place of a module, and packages', () => {
    const folder = mkdtempSync(join(tmpdir(), 'common-js-'));
    writeFileSync(
      join(folder, 'a.js'),
      'exports.early = 1; exports.b = require("./b"); exports.util = require("util"); exports.path = require("path");',
    );
    writeFileSync(join(folder, 'b.js'), 'exports.seen = require("./a").early;');
    const loaded = loadCommonJs(join(folder, 'a.js'), new Map([['util', 'another']]));
    expect(loaded).toMatchObject({ b: { seen: 1 }, util: 'another', path: { join } });
    rmSync(folder, { recursive: true });
  });

  it('register the kernels that programs use with the core of this process', ({ skip }) => {
    const folder = nodePackageFolder();
    if (folder === undefined) skip('npm left out the optional package of native TensorFlow');
    const { NodeJSKernelBackend } = loadNodePackage(folder!);
    expect(NodeJSKernelBackend.prototype).toBeInstanceOf(tf.KernelBackend);
    for (const name of ['BatchMatMul', 'Erf', 'Sum', 'Transpose']) {
      expect(tf.getKernel(name, 'tensorflow'), name).toMatchObject({ kernelName: name });
    }
  });
});

describe('native TensorFlow, where it is installed', () => {
  it('differs from the reference by rounding alone, and gives its memory back', async ({
    skip,
  }) => {
    const native = await engineOrSkip('tfjs-node', skip);
    const reference = await openEngine('reference');
    const before = tf.memory().numTensors;
    const [found, wanted] = await Promise.all(
      [native, reference].map((one) => runOnce(one, step, { x: batchOf(3) }, weights())),
    );
    for (const [name, tensor] of Object.entries(wanted!)) expectClose(found![name]!, tensor, 1e-5);
    expect(tf.memory().numTensors).toBe(before);
  });
});
