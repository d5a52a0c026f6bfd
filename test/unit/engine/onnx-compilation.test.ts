import { describe, expect, it } from 'vitest';
import { modelFor, onnxOptimisations } from '../../../main/engine/onnx/compilation.ts';
import { createOnnxEngine } from '../../../main/engine/onnx/engine.ts';
import { biasedProducts } from '../../../main/engine/onnx/fusion.ts';
import { encodeProgram } from '../../../main/engine/onnx/model.ts';
import { streamedConstants } from '../../../main/engine/onnx/streamed.ts';
import { Builder } from '../../../main/graph/builder.ts';
import { gradient } from '../../../main/graph/gradient.ts';
import type { Program } from '../../../main/graph/program.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { normalTensor } from '../../support/tiny-models.ts';

const [experts, rows, inner, outer] = [3, 130, 256, 512];

/** x·W(λ)ᵀ with merged weights, times a constant matrix, and gradients of λ and x. */
function mergedProgram(): Program {
  const b = new Builder();
  const x = b.input('x', [rows, inner]);
  const dictionary = b.constant('dictionary', [experts, inner * outer]);
  const origin = b.reshape(b.constant('origin', [outer, inner]), [1, inner * outer]);
  const merged = b.add(b.matmul(b.input('lambdas', [1, experts]), dictionary), origin);
  const weight = b.reshape(merged, [outer, inner]);
  const hidden = b.add(b.matmul(x, weight, { transposeRight: true }), b.constant('bias', [outer]));
  const dense = b.constant('dense', [inner * 2, outer]);
  const y = b.unary('quickGelu', b.matmul(hidden, dense, { transposeRight: true }));
  const forward = b.build('merged', { loss: b.sum(b.mul(y, y), [0, 1]) });
  return gradient(forward, { of: 'loss', withRespectTo: ['lambdas', 'x'] });
}

function tensorsOf(program: Program, kind: 'constant' | 'input'): Map<string, Tensor> {
  const chosen = program.parameters.filter((parameter) => parameter.kind === kind);
  return new Map(
    chosen.map(({ name, value }) => [name, normalTensor(name, program.shapes[value]!, 0.05)]),
  );
}

describe('constants that are read as they lie', () => {
  it('are those that only products of few rows read', () => {
    expect([...streamedConstants(mergedProgram())]).toEqual(['dictionary']);
  });

  it('are none that a product of many rows, or anything else, reads too', () => {
    const b = new Builder();
    const d = b.constant('d', [experts, inner * outer]);
    const few = b.matmul(b.input('few', [2, experts]), d);
    const many = b.matmul(b.input('many', [rows, experts]), d);
    expect(streamedConstants(b.build('few', { few }))).toContain('d');
    expect(streamedConstants(b.build('many', { few, many })).size).toBe(0);
    expect(streamedConstants(b.build('sum', { few, sum: b.sum(d, [0]) })).size).toBe(0);
    expect(streamedConstants(b.build('given', { few, d })).size).toBe(0);
  });

  it('stay on other providers what the runtime makes of them', () => {
    expect(modelFor('webgpu', mergedProgram()).streamed).toBeUndefined();
    expect(modelFor('cpu', mergedProgram()).streamed?.size).toBe(1);
  });
});

describe('rows that are added within a product', () => {
  it('are biases and W0 of a merge, and leave no sum', () => {
    const program = mergedProgram();
    expect(biasedProducts(program).size).toBe(2);
    const bytes = (unfused: boolean) =>
      encodeProgram(program, tensorsOf(program, 'constant'), new Map(), { unfused }).length;
    expect(bytes(false)).toBeLessThan(bytes(true));
  });

  it('are none whose product something else reads, nor whole matrices', () => {
    const b = new Builder();
    const product = b.matmul(b.input('x', [2, 3]), b.constant('w', [3, 4]));
    const row = b.add(product, b.constant('row', [4]));
    const matrix = b.add(product, b.input('matrix', [2, 4]));
    const column = b.add(product, b.input('column', [2, 1]));
    expect(biasedProducts(b.build('row', { row })).size).toBe(1);
    expect(biasedProducts(b.build('both', { row, product })).size).toBe(0);
    expect(biasedProducts(b.build('matrix', { matrix })).size).toBe(0);
    expect(biasedProducts(b.build('column', { column })).size).toBe(0);
  });
});

it.each([['nothing', []], ...onnxOptimisations.map((name) => [name, [name]] as const)] as const)(
  'without %s the same values come out as from equations one by one',
  async (_title, left) => {
    const program = mergedProgram();
    const [constants, inputs] = [tensorsOf(program, 'constant'), tensorsOf(program, 'input')];
    const results = [];
    for (const engine of [
      // What every operation's own test compares with the reference.
      createOnnxEngine({ threads: 1, without: new Set(onnxOptimisations) }),
      createOnnxEngine({ threads: 1, without: new Set(left) }),
      // The weights in a file.
      createOnnxEngine({ threads: 1, without: new Set(left), inlineLimit: 0 }),
    ]) {
      const executable = await engine.compile(program, constants);
      results.push(await executable.run(Object.fromEntries(inputs)));
      await executable.dispose();
    }
    const [expected, ...others] = results;
    for (const found of others) {
      for (const [name, { data }] of Object.entries(expected!)) {
        const scale = Math.max(...data.map(Math.abs));
        const worst = data.reduce((w, v, i) => Math.max(w, Math.abs(v - found[name]!.data[i]!)), 0);
        expect(worst / scale, name).toBeLessThan(2e-5);
      }
    }
  },
);
