import { combined } from '../elementwise/combinations.ts';
import { PARALLEL_COSINE, slerpFactors } from '../elementwise/interpolation.ts';
import { productsOf, productsPass, type Products } from '../elementwise/tensor-products.ts';
import { none } from '../elementwise/parameters.ts';
import { defineMethod } from '../method.ts';

const parameters = {
  t: {
    kind: 'number',
    title: 'Position t',
    default: 0.5,
    range: { min: -1, max: 2 },
    help: '0 gives the base, 1 the expert; values between lie on the arc between both.',
  },
} as const;

export const slerp = defineMethod<typeof parameters, typeof none, Products>({
  id: 'slerp',
  title: 'SLERP',
  family: 'geometric',
  paper: {
    title: 'Animating rotation with quaternion curves (Shoemake 1985)',
    url: 'https://doi.org/10.1145/325165.325242',
  },
  summary:
    'Goes from the base to one expert along the great circle of their directions, tensor by tensor, so that the result is no shorter than both. ' +
    'Nearly parallel tensors are interpolated in a straight line.',
  formula: 'θ = (sin((1 − t) Ω) θ0 + sin(t Ω) θ1) / sin Ω, cos Ω = ⟨θ0, θ1⟩ / (‖θ0‖ ‖θ1‖)',
  follows: 'mergekit',
  inputs: { base: 'required', experts: { min: 1, max: 1 } },
  parameters,
  perExpert: none,
  laws: {
    base_copies: {},
    single_expert: { t: 1 },
    zero_scale: { t: 0 },
    power_of_two: {},
    negation: {},
    sharding: {},
  },
  unit: 'value',
  passes: () => [productsPass('base_and_experts')],

  merge(group, { t }, { prepared }) {
    const [aa = 0, ab = 0, , bb = 0] = productsOf(prepared, group);
    const [base, expert] = slerpFactors(aa, bb, ab, t, (x) => Math.abs(x) > PARALLEL_COSINE);
    return combined(group, [expert], base);
  },
});
