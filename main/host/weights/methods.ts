/** The static methods as the form for weights offers them: everything comes from their records. */
import type { WeightsMethod } from '../../api/weights.ts';
import { methods } from '../../merging/index.ts';
import { families } from '../../merging/method.ts';
import { parameterCards } from '../method-cards.ts';

/** Grouped by family, in the order of the families. */
export function weightsMethods(): WeightsMethod[] {
  const order = Object.keys(families);
  return methods
    .toSorted((a, b) => order.indexOf(a.family) - order.indexOf(b.family))
    .map((method) => ({
      id: method.id,
      family: families[method.family],
      title: method.title,
      summary: method.summary,
      formula: method.formula,
      paper: { ...method.paper },
      follows: method.follows ?? null,
      base: method.inputs.base,
      experts: { min: method.inputs.experts.min, max: method.inputs.experts.max ?? null },
      parameters: parameterCards(method.parameters),
      perExpert: parameterCards(method.perExpert),
    }));
}
