/**
 * Gram matrices XᵀX of what goes into the linear layers of an encoder. Which products of the program
 * are linear layers is read off the program, so nothing is known here of its architecture.
 */
import { Builder } from '../../graph/builder.ts';
import { shapeOf, type Program, type Value } from '../../graph/program.ts';
import type { MergedModel } from '../../models/merged-model.ts';
import { imageShape } from '../../models/vit.ts';

export interface GramProgram {
  /** Takes `images` of any batch size; each result is XᵀX [in, in], summed over images and tokens. */
  readonly program: Program;
  /** By the name of a weight [out, in], the result that holds the Gram matrix of its inputs. */
  readonly results: ReadonlyMap<string, string>;
}

export function gramProgram(model: MergedModel, batch: number): GramProgram {
  const g = new Builder();
  const images = g.input('images', imageShape(model.config, batch), { batch: true });
  const { features } = model.encode(g, images, { reduction: 'per-sample', groups: 1 });
  const forward = g.build('encoder', { features });

  const continued = Builder.from(forward);
  const results = new Map<string, string>();
  const grams: Record<string, Value> = {};
  for (const [weight, inputs] of linearInputs(forward)) {
    const width = shapeOf(forward, inputs).at(-1) ?? 0;
    const rows = continued.reshape(inputs, [-1, width]);
    const gram = continued.matmul(rows, rows, { transposeLeft: true });
    // Layers that read the same values share one matrix.
    const name = `gram/${String(gram)}`;
    results.set(weight, name);
    grams[name] = gram;
  }
  return { program: continued.build('gram matrices', grams), results };
}

/** What is multiplied by each weight matrix W in y = x Wᵀ. */
function linearInputs({ equations, parameters }: Program): ReadonlyMap<string, Value> {
  const names = new Map(
    parameters.filter(({ kind }) => kind === 'constant').map(({ name, value }) => [value, name]),
  );
  const inputs = new Map<string, Value>();
  for (const { op, inputs: operands, attributes } of equations) {
    if (op !== 'matmul') continue;
    const { transposeLeft, transposeRight } = attributes as {
      readonly transposeLeft: boolean;
      readonly transposeRight: boolean;
    };
    const [left, right] = operands;
    const weight = right === undefined ? undefined : names.get(right);
    if (weight === undefined || left === undefined || transposeLeft || !transposeRight) continue;
    inputs.set(weight, left);
  }
  return inputs;
}
