import { describe, expect, it } from 'vitest';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import { Builder } from '../../../main/graph/builder.ts';
import { gradient } from '../../../main/graph/gradient.ts';
import { narrow } from '../../../main/graph/narrow.ts';
import type { Program } from '../../../main/graph/program.ts';
import { verify } from '../../../main/graph/verify.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { staticModel, type Reduction } from '../../../main/models/merged-model.ts';
import { createWemoe } from '../../../main/adaptation/wemoe.ts';
import { initialValues } from '../../../main/models/merged-model.ts';
import { expertSet, normalTensor, randomImages } from '../../support/tiny-models.ts';

/** Rows 1 and 2 of what a block makes of x [2, 4, 6]; w sees only them where nothing else asks for more. */
function blockOf(more: boolean): Program {
  const b = new Builder();
  const x = b.input('x', [2, 4, 6], { batch: true });
  const w = b.constant('w', [6, 6]);
  const u = b.layerNorm(x, b.constant('scale', [6]), b.constant('shift', [6]), 1e-5);
  const heads = b.transpose(b.reshape(u, [0, 4, 3, 2]), [0, 2, 1, 3]);
  const scores = b.softmax(b.matmul(heads, heads, { transposeRight: true }));
  const mixed = b.reshape(b.transpose(b.matmul(scores, heads), [0, 2, 1, 3]), [0, 4, 6]);
  const y = b.add(x, b.unary('quickGelu', b.add(b.matmul(mixed, w), b.constant('bias', [6]))));
  const rows = b.slice(y, 1, 1, 3);
  return b.build('block', { rows, ...(more ? { all: b.sum(y, [0, 1, 2]) } : {}) });
}

async function run(program: Program): Promise<Record<string, readonly number[]>> {
  const tensors = { constant: new Map<string, Tensor>(), input: new Map<string, Tensor>() };
  for (const { name, kind, value } of program.parameters) {
    tensors[kind].set(name, normalTensor(name, program.shapes[value]!, 1));
  }
  const executable = await createReferenceEngine().compile(program, tensors.constant);
  const results = await executable.run(Object.fromEntries(tensors.input));
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]]));
}

/** Rows that products with the constant `name` are made for. */
function rowsWith(program: Program, name: string): number[] {
  const constant = program.parameters.find((parameter) => parameter.name === name)!.value;
  return program.equations
    .filter(({ op, inputs }) => op === 'matmul' && inputs[1] === constant)
    .map(({ inputs: [left] }) => program.shapes[left!]!.slice(0, -1).reduce((a, b) => a * b, 1));
}

describe('narrow', () => {
  it('computes the rows that are read, with the same results', async () => {
    const program = blockOf(false);
    const narrowed = narrow(program);
    verify(narrowed);
    expect(rowsWith(program, 'w')).toEqual([8]);
    expect(rowsWith(narrowed, 'w')).toEqual([4]);
    expect(narrowed.batchInputs).toEqual(['x']);
    // The reference engine works on each element by itself, so not a bit may differ.
    expect(await run(narrowed)).toEqual(await run(program));
  });

  it('leaves whole what something else reads', async () => {
    const program = blockOf(true);
    expect(rowsWith(narrow(program), 'w')).toEqual([8]);
    expect(await run(narrow(program))).toEqual(await run(program));
  });

  it('reads a repeated input as a whole, and keeps operations along the axis', async () => {
    const b = new Builder();
    const x = b.input('x', [3, 4]);
    const sum = b.add(b.softmax(x), b.input('column', [3, 1]));
    const program = b.build('columns', { part: b.slice(b.mul(sum, b.input('row', [4])), 1, 1, 2) });
    const narrowed = narrow(program);
    verify(narrowed);
    expect(await run(narrowed)).toEqual(await run(program));
    const softmax = narrowed.equations.find(({ op }) => op === 'softmax')!;
    expect(narrowed.shapes[softmax.output]).toEqual([3, 4]);
  });

  it('needs the last MLP of an encoder for the class token only, with and without routers', async () => {
    const set = expertSet(2);
    const models = { static: staticModel({ config: set.config, weights: set.base }) };
    const b = new Builder();
    const images = b.input('images', randomImages(3, set.config).shape, { batch: true });
    const { features } = models.static.encode(b, images, { reduction: 'per-sample', groups: 1 });
    const program = b.build('encoder', { features });
    const narrowed = narrow(program);
    verify(narrowed);
    const last = set.config.layerCount - 1;
    const layer = `vision_model.encoder.layers.${String(last)}`;
    // W is read transposed, so its name finds it on the right.
    for (const name of ['mlp.fc1', 'mlp.fc2', 'self_attn.q_proj', 'self_attn.out_proj']) {
      expect(rowsWith(narrowed, `${layer}.${name}.weight`), name).toEqual([3]);
    }
    const [all] = rowsWith(program, `${layer}.mlp.fc1.weight`);
    expect(rowsWith(narrowed, `${layer}.self_attn.k_proj.weight`)).toEqual([all]);
    expect(await run(narrowed)).toEqual(await run(program));
  });

  it.each<Reduction>(['per-sample', 'batch-mean'])(
    'keeps the gradient of a routed model, %s',
    async (reduction) => {
      const model = createWemoe(expertSet(2), { depth: 2, lambda: 0.3, seed: 1 });
      const b = new Builder();
      const images = b.input('images', randomImages(3, model.config).shape);
      const { features } = model.encode(b, images, { reduction, groups: 1 });
      const forward = b.build('encoder', { loss: b.sum(b.mul(features, features), [0, 1]) });
      const withRespectTo = [...initialValues(model).keys()];
      const whole = gradient(forward, { of: 'loss', withRespectTo });
      const narrowed = gradient(narrow(forward), { of: 'loss', withRespectTo });
      verify(narrowed);
      const [expected, found] = [await run(whole), await run(narrowed)];
      for (const [name, values] of Object.entries(expected)) {
        const scale = Math.max(...values.map(Math.abs));
        found[name]!.forEach((value, i) => {
          expect(Math.abs(value - values[i]!) / scale, `${name} ${i}`).toBeLessThan(1e-5);
        });
      }
    },
  );
});
