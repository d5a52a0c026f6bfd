/** Words and sizes of the Merge view for weights. */
import type { WeightsFinding, WeightsMethod, WeightsPlan } from '../../../main/api/weights.ts';

const units: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** "2 GB", "512MiB", "1.5g": bytes; null for an empty text, undefined for one that is no size. */
export function sizeOf(text: string): number | null | undefined {
  if (text.trim() === '') return null;
  const [, number = '', unit = ''] = /^\s*(\d+(?:[.,]\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const lower = unit.toLowerCase();
  const factor = units[lower === '' ? 'b' : lower] ?? units[`${lower}b`];
  if (number === '' || factor === undefined) return undefined;
  const bytes = Math.floor(Number(number.replace(',', '.')) * factor);
  return bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A number of threads; null for an empty text, undefined for anything else. */
export function countOf(text: string): number | null | undefined {
  if (text.trim() === '') return null;
  const number = Number(text);
  return Number.isInteger(number) && number >= 1 && number <= 1024 ? number : undefined;
}

/** "Two or more models and a base." */
export function inputsText({ base, experts }: WeightsMethod): string {
  const { min, max } = experts;
  const count =
    max === null
      ? `${min} or more models`
      : min === max
        ? `${min} ${min === 1 ? 'model' : 'models'}`
        : `${min} to ${max} models`;
  const words = {
    required: ' and the base they were fine-tuned from',
    optional: '; a base if there is one',
    unused: '',
  };
  return `Takes ${count}${words[base]}.`;
}

/** Why a merge cannot start; undefined where it can. */
export function reasonAgainst(facts: {
  readonly models: number;
  readonly output: string | null;
  readonly busy: boolean;
  readonly plan: WeightsPlan | undefined;
  readonly failed: boolean;
  readonly checking: boolean;
  /** What was found by reading the values. */
  readonly scanned: readonly WeightsFinding[];
}): string | undefined {
  if (facts.busy) return 'A run or a merge is going on; one goes on at a time.';
  if (facts.models === 0) return 'Add the models to merge.';
  const found = [...(facts.plan?.findings ?? []), ...facts.scanned];
  const error = found.find(({ severity }) => severity === 'error');
  if (error !== undefined) return `${error.title}: see “Before you merge”.`;
  if (facts.failed) return 'See “Before you merge” for what is wrong.';
  if (facts.output === null) return 'Choose where the result goes.';
  if (facts.plan === undefined || facts.checking) return 'Being checked …';
  return undefined;
}
