/** Tries a provider in a process of its own, once for each process that asks. */
import { runProbe, type ProbeRunner } from '../probe-process.ts';
import { judgeProbe, type ProbeOutcome } from './probe-outcome.ts';
import { backendOf, missingForProvider, type GpuProvider } from './providers.ts';

/** A driver that compiles its first shader on a busy machine may take seconds. */
const limitMs = 30_000;

const outcomes = new Map<GpuProvider, Promise<ProbeOutcome>>();

/** Whether a provider computes here, and on what; the same answer as long as this process lives. */
export function probeProvider(provider: GpuProvider): Promise<ProbeOutcome> {
  let outcome = outcomes.get(provider);
  if (outcome === undefined) {
    outcome = tryProvider(provider, runProbe);
    outcomes.set(provider, outcome);
  }
  return outcome;
}

/** As `probeProvider`, anew and by `run`. */
export async function tryProvider(
  provider: GpuProvider,
  run: ProbeRunner,
  missing = missingForProvider(provider),
): Promise<ProbeOutcome> {
  if (missing !== undefined) return { runs: false, reason: missing };
  return judgeProbe(
    provider,
    await run({ program: 'probe', args: [backendOf(provider)], limitMs }),
  );
}
