import { mergeChanges } from '../elementwise/changes.ts';
import { lambda } from '../elementwise/parameters.ts';
import { defineMethod } from '../method.ts';

export const magmax = defineMethod({
  id: 'magmax',
  title: 'MagMax',
  family: 'sparse',
  paper: {
    title: 'MagMax: leveraging model merging for seamless continual learning (Marczak et al. 2024)',
    url: 'https://arxiv.org/abs/2407.06322',
  },
  summary:
    'At every weight the largest change of all experts is taken. ' +
    'Of opposite changes of the same size the positive one is.',
  formula: 'θ = θ0 + λ τ_m, m = argmax_k |τk|',
  inputs: { base: 'required', experts: { min: 1 } },
  parameters: { lambda },
  perExpert: {},
  laws: {
    base_copies: {},
    expert_order: {},
    single_expert: { lambda: 1 },
    identical_experts: { lambda: 1 },
    zero_scale: { lambda: 0 },
    scale_linear: {},
    power_of_two: {},
    within_experts: { lambda: 1 },
    sharding: {},
  },
  unit: 'value',

  merge: (group, values) => mergeChanges(group, values.lambda, takeLargest),
});

function takeLargest(target: Float64Array, changes: readonly Float64Array[], count: number): void {
  target.fill(0);
  for (const change of changes) takeLarger(target, change, count);
}

function takeLarger(target: Float64Array, change: Float64Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const own = change[i]!;
    const best = target[i]!;
    const gain = Math.abs(own) - Math.abs(best);
    if (gain > 0 || (gain === 0 && own > best)) target[i] = own;
  }
}
