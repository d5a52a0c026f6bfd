/** The form for adapters, and why it cannot be carried out yet. */
import type { LoraDraft, LoraPlan, LoraSettings } from '../../../main/api/lora.ts';

export type LoraAction = LoraDraft['action'];
/** Of an extraction. */
export type LoraPart = 'tuned' | 'base';

interface ChosenWay {
  readonly way: string;
  /** Of all ways that were tried; each takes what it knows. */
  readonly settings: LoraSettings;
}

export interface LoraForm {
  readonly action: LoraAction;
  readonly combine: ChosenWay;
  readonly extract: ChosenWay;
  readonly adapters: readonly { readonly handle: string; readonly weight: number }[];
  readonly tuned: string | null;
  readonly base: string | null;
  readonly output: string | null;
}

export const emptyForm: LoraForm = {
  action: 'combine',
  combine: { way: 'cat', settings: {} },
  extract: { way: 'rank', settings: {} },
  adapters: [],
  tuned: null,
  base: null,
  output: null,
};

/** Undefined while something is missing that even a plan needs. */
export function draftOf(form: LoraForm): LoraDraft | undefined {
  const { action, adapters, tuned, base, output } = form;
  if (action === 'combine') {
    return adapters.length === 0
      ? undefined
      : { action, ...form.combine, adapters: [...adapters], output };
  }
  return tuned === null || base === null
    ? undefined
    : { action, ...form.extract, tuned, base, output };
}

/** Why it cannot start; undefined where it can. */
export function reasonAgainst(facts: {
  readonly form: LoraForm;
  readonly busy: boolean;
  readonly plan: LoraPlan | undefined;
  readonly failed: boolean;
  readonly checking: boolean;
}): string | undefined {
  const { form, plan } = facts;
  if (facts.busy) return 'A run or a merge is going on; one goes on at a time.';
  if (form.action === 'combine' && form.adapters.length === 0)
    return 'Add the adapters to combine.';
  if (form.action === 'extract' && form.tuned === null) return 'Choose the fine-tuned model.';
  if (form.action === 'extract' && form.base === null) return 'Choose the base it was tuned from.';
  if (facts.failed) return 'See “Before you start” for what is wrong.';
  const error = plan?.findings.find(({ severity }) => severity === 'error');
  if (error !== undefined) return `${error.title}: see “Before you start”.`;
  if (form.output === null) return 'Choose where the adapter goes.';
  if (plan === undefined || facts.checking) return 'Being checked …';
  return undefined;
}

/** "rank 8", "ranks 4 to 16". */
export function ranksText({ min, max }: { readonly min: number; readonly max: number }): string {
  return min === max ? `rank ${max}` : `ranks ${min} to ${max}`;
}
