/** The merge of weights in progress. What a stopped one has done stays, and the same merge goes on with it. */
import type { WeightsDraft } from '../../../main/api/weights.ts';
import { compute } from '../../lib/connection.ts';
import { toasts } from '../../lib/toasts.svelte.ts';
import { Work } from '../../lib/work.svelte.ts';

interface Request {
  readonly draft: WeightsDraft;
  readonly title: string;
}

export const merging = new Work({
  view: 'merge',
  begin: ({ draft }: Request, options) => compute.weights.start(draft, options),
  done: ({ title }) => `${title} is merged`,
});

export type MergingState = typeof merging.state;

/** Removes what a stopped merge has done. */
export async function discard(): Promise<void> {
  if (merging.state.phase !== 'stopped') return;
  const { output } = merging.state.request.draft;
  try {
    if (output !== null) await compute.weights.discard({ output });
    merging.clear();
  } catch (error) {
    toasts.error(error);
  }
}
