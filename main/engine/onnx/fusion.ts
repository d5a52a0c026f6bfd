/** What one node of ONNX computes of several equations. */
import type { Equation, Program, Value } from '../../graph/program.ts';
import { shapeOf } from '../../graph/program.ts';

/** A sum that the product it adds to is made with: Gemm's third input. */
export interface BiasedProduct {
  readonly product: Equation<'matmul'>;
  readonly bias: Value;
}

/**
 * Sums x·W + b of a product with a matrix that nothing else reads, and of a row that is repeated; by the value of the
 * sum. A pass over memory less: merged weights W0 + Σk λk Δk are as long as they are read.
 */
export function biasedProducts(program: Program): ReadonlyMap<Value, BiasedProduct> {
  const uses = new Map<Value, number>();
  const use = (value: Value) => uses.set(value, (uses.get(value) ?? 0) + 1);
  const products = new Map<Value, Equation<'matmul'>>();
  for (const equation of program.equations) {
    equation.inputs.forEach(use);
    if (isMatrixProduct(program, equation)) products.set(equation.output, equation);
  }
  for (const { value } of program.results) use(value);
  const found = new Map<Value, BiasedProduct>();
  for (const { op, inputs, output } of program.equations) {
    if (op !== 'add') continue;
    const at = inputs.findIndex((input) => products.has(input) && uses.get(input) === 1);
    const [value, bias] = [inputs[at], inputs[1 - at]];
    const product = value === undefined ? undefined : products.get(value);
    if (product === undefined || bias === undefined || value === bias) continue;
    const columns = shapeOf(program, product.output).at(-1);
    const row = shapeOf(program, bias);
    const repeated = row.at(-1) === columns && row.slice(0, -1).every((size) => size === 1);
    if (repeated && row.length > 0 && row.length <= 2) found.set(output, { product, bias });
  }
  return found;
}

function isMatrixProduct(program: Program, equation: Equation): equation is Equation<'matmul'> {
  const [, right] = equation.inputs;
  return equation.op === 'matmul' && right !== undefined && shapeOf(program, right).length === 2;
}
