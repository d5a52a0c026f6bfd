/** Models from what a file says of them and holds: the inverse of writing a model's form and tensors. */
import { z } from 'zod';
import type { TensorMap } from '../lib/tensor.ts';
import type { MergedModel, Trainable } from '../models/merged-model.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import { assembleRankWemoe } from './rank-wemoe.ts';
import { assembleWemoe } from './wemoe.ts';

const experts = z.int().positive();
const router = {
  router_depth: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  // Absent in files of the first version.
  shared_router: z.boolean().default(false),
  expert_count: experts,
};

/** What each kind of model says of itself. */
export const formSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('wemoe'), ...router }),
  z.object({
    kind: z.literal('rank_wemoe'),
    ...router,
    routed: z.enum(['mlp', 'block']),
    rank: z.int().positive(),
    learned: z.boolean(),
  }),
]);

export type DynamicForm = z.output<typeof formSchema>;

/** The model of `form` with the given tensors, which need not be there yet when only its program is wanted. */
export function assembleForm(
  form: DynamicForm,
  config: VisionConfig,
  constants: TensorMap,
  trainables: readonly Trainable[],
): MergedModel {
  switch (form.kind) {
    case 'wemoe':
      return assembleWemoe({ config, constants, trainables, router: routerOf(form, config) });
    case 'rank_wemoe': {
      const { routed, rank, learned } = form;
      const shape = { routed, rank, learned, router: routerOf(form, config) };
      return assembleRankWemoe(config, shape, constants, trainables);
    }
  }
}

function routerOf(
  form: { router_depth: 0 | 1 | 2; shared_router: boolean; expert_count: number },
  { hiddenSize }: VisionConfig,
) {
  const { router_depth: depth, shared_router: shared, expert_count: expertCount } = form;
  return { depth, shared, expertCount, hiddenSize };
}
