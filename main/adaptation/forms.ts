/** Models from what a file says of them and holds: the inverse of writing a model's form and tensors. */
import { z } from 'zod';
import type { TensorMap } from '../lib/tensor.ts';
import type { MergedModel, Trainable } from '../models/merged-model.ts';
import type { VisionConfig } from '../models/vision-config.ts';
import { assembleRankWemoe } from './rank-wemoe.ts';
import type { RouterDepth } from './router.ts';
import { assembleSmile } from './smile.ts';
import { assembleTwin } from './twin.ts';
import { assembleWemoe } from './wemoe.ts';

const experts = z.int().positive();
const depth = z.union([z.literal(0), z.literal(1), z.literal(2)]);
const router = {
  router_depth: depth,
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
  z.object({
    kind: z.literal('twin'),
    router_depth: depth,
    expert_count: experts,
    density: z.number().min(0).max(1),
  }),
  z.object({
    kind: z.literal('smile'),
    expert_count: experts,
    rank: z.int().positive(),
    gate: z.int().positive(),
    top: z.int().positive(),
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
    case 'twin': {
      const shape = { density: form.density, router: routerOf(form, config) };
      return assembleTwin(config, shape, constants, trainables);
    }
    case 'smile': {
      const { rank, gate, top, expert_count: expertCount } = form;
      return assembleSmile(config, { rank, gate, top, expertCount }, constants);
    }
  }
}

function routerOf(
  form: { router_depth: RouterDepth; shared_router?: boolean; expert_count: number },
  { hiddenSize }: VisionConfig,
) {
  const { router_depth, shared_router: shared = false, expert_count: expertCount } = form;
  return { depth: router_depth, shared, expertCount, hiddenSize };
}
