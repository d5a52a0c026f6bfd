/** What was done when the engine had too little memory, in words. */

/** "out of device memory at step 1: 4 tasks a call instead of 8" */
export function smallerCallsText({
  step,
  from,
  to,
}: {
  readonly step: number;
  readonly from: number;
  readonly to: number;
}): string {
  return `out of device memory at step ${String(step)}: ${String(to)} ${to === 1 ? 'task' : 'tasks'} a call instead of ${String(from)}, with the same sum`;
}

/** "out of device memory in the evaluation: 16 images a call instead of 64, with the same results" */
export function smallerBatchText({
  from,
  to,
}: {
  readonly from: number;
  readonly to: number;
}): string {
  return `out of device memory in the evaluation: ${String(to)} ${to === 1 ? 'image' : 'images'} a call instead of ${String(from)}, with the same results`;
}
