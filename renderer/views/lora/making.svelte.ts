/** The adapter that is being made; nothing is left of a stopped one. */
import type { LoraDraft } from '../../../main/api/lora.ts';
import { compute } from '../../lib/connection.ts';
import { Work } from '../../lib/work.svelte.ts';

interface Request {
  readonly draft: LoraDraft;
  readonly title: string;
}

export const making = new Work({
  view: 'merge',
  begin: ({ draft }: Request, options) => compute.lora.start(draft, options),
  done: ({ title }) => `${title} is ready`,
});

export type MakingState = typeof making.state;
