import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as ort from 'onnxruntime-node';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { createOnnxEngine } from '../../../main/engine/onnx/engine.ts';
import { encodeProgram, layOutExternally } from '../../../main/engine/onnx/model.ts';
import { gradient } from '../../../main/graph/gradient.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { runOnce } from './engines-under-test.ts';
import { batchOf, smallNetwork, tokens, weightNames, weights, width } from './small-network.ts';

const forward = smallNetwork(2, { loss: false });
const step = gradient(smallNetwork(3, { loss: true }), {
  of: 'loss',
  withRespectTo: ['x', ...weightNames],
});

function bytesOf(results: Readonly<Record<string, Tensor>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
    ]),
  );
}

describe('the encoded model', () => {
  it('is an ONNX model of opset 18, read by an independent description of the format', () => {
    const { root } = protobuf.parse(`
      syntax = "proto3";
      message OperatorSet { string domain = 1; int64 version = 2; }
      message Node { repeated string input = 1; repeated string output = 2; string op_type = 4; }
      message Graph { repeated Node node = 1; string name = 2; }
      message Model {
        int64 ir_version = 1; string producer_name = 2; Graph graph = 7;
        repeated OperatorSet opset_import = 8;
      }`);
    const type = root.lookupType('Model');
    const model = type.toObject(type.decode(encodeProgram(forward, weights())), {
      longs: Number,
      defaults: true,
    }) as {
      irVersion: number;
      producerName: string;
      opsetImport: unknown;
      graph: { name: string; node: { opType: string }[] };
    };
    expect(model.opsetImport).toEqual([{ domain: '', version: 18 }]);
    expect(model.irVersion).toBe(9);
    expect(model.producerName).toBe('mergewright');
    expect(model.graph.name).toBe('small network');
    const used = new Set(model.graph.node.map(({ opType }) => opType));
    expect(used).toContain('Gemm');
    expect(used).toContain('LayerNormalization');
  });

  it('is accepted by ONNX Runtime with the names and shapes of the program', async () => {
    const session = await ort.InferenceSession.create(encodeProgram(forward, weights()));
    expect(session.inputNames).toEqual(['x']);
    expect(session.outputNames).toEqual(['logits']);
    expect(session.inputMetadata[0]).toMatchObject({
      type: 'float32',
      shape: ['batch', tokens, width],
    });
    expect(session.outputMetadata[0]).toMatchObject({ type: 'float32', shape: ['batch', 6] });
    await session.release();
  });
});

describe('weights outside of the model', () => {
  it('lie one after another on page boundaries', () => {
    const tensor = (count: number): Tensor => ({ shape: [count], data: new Float32Array(count) });
    const ranges = layOutExternally(
      'w.bin',
      new Map([
        ['a', tensor(3)],
        ['b', tensor(2000)],
        ['c', tensor(1)],
      ]),
    );
    expect([...ranges]).toEqual([
      ['a', { file: 'w.bin', offset: 0, length: 12 }],
      ['b', { file: 'w.bin', offset: 4096, length: 8000 }],
      ['c', { file: 'w.bin', offset: 12288, length: 4 }],
    ]);
  });

  it('give the same bytes as weights inside of it, and leave no file behind', async () => {
    const inside = await runOnce(
      createOnnxEngine({ threads: 1 }),
      step,
      { x: batchOf(3) },
      weights(),
    );
    const engine = createOnnxEngine({ threads: 1, inlineLimit: 0 });
    const outside = await runOnce(engine, step, { x: batchOf(3) }, weights());
    expect(bytesOf(outside)).toEqual(bytesOf(inside));
    const left = (await readdir(tmpdir())).filter((name) =>
      name.startsWith(`mergewright-session-${String(process.pid)}-`),
    );
    expect(left).toEqual([]);
  });
});

describe.each([1, 2])('with %i threads', (threads) => {
  it('two runs and two sessions give the same bytes', async () => {
    const runs: Record<string, string>[] = [];
    for (const session of [0, 1]) {
      const executable = await createOnnxEngine({ threads }).compile(step, weights());
      runs.push(bytesOf(await executable.run({ x: batchOf(3) })));
      runs.push(bytesOf(await executable.run({ x: batchOf(3) })));
      await executable.dispose();
      expect(runs[2 * session + 1]).toEqual(runs[0]);
      expect(runs[2 * session]).toEqual(runs[0]);
    }
  });
});
