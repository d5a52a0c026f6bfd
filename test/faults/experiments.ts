/** The experiments: each gives the cases of a scenario, and each case what is wrong after it. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { randomStream } from '../../main/lib/random.ts';
import { faultEnvironment, takeCalls, type Ended, type Fault } from './process.ts';
import { RESULT, runProgram, type Laboratory, type Scenario } from './scenarios.ts';
import { afterKill, atRest, readState, standing } from './state.ts';

export interface Outcome {
  /** How it ended, in a word, to be counted. */
  readonly ended: string;
  /** Empty where all is as it should be. */
  readonly wrong: readonly string[];
}

export interface Case {
  readonly label: string;
  run(): Promise<Outcome>;
}

/** Runs `trial` in a new folder with what the command finds there. */
export async function inFolder<T>(
  { folder }: Laboratory,
  scenario: Scenario,
  trial: (parent: string) => Promise<T>,
): Promise<T> {
  const place = await mkdtemp(join(folder, 'case-'));
  const parent = join(place, 'disk');
  await mkdir(parent);
  try {
    await scenario.prepare(parent);
    return await trial(parent);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** The same command once more, without faults: the known bytes, and nothing beside them. */
async function startAgain(
  laboratory: Laboratory,
  scenario: Scenario,
  parent: string,
): Promise<string[]> {
  const before = standing(await readState(parent, RESULT), scenario);
  const ended = await runProgram(laboratory, scenario.words(parent));
  return [
    ...againOutcome(ended, before === 'new'),
    ...(await atRest(parent, RESULT, scenario, ['new'])),
  ];
}

/** A result that came into place before the kill is not written again unless that is asked for. */
export function againOutcome({ code, err }: Ended, wasNew: boolean): string[] {
  if (
    code === 0 ||
    (wasNew &&
      /error\[(file\.folder_exists|merge\.preflight\]: The result exists already)/.test(err))
  )
    return [];
  return [`the next start ended with ${String(code)}: ${err}`];
}

async function judgeKill(
  laboratory: Laboratory,
  scenario: Scenario,
  parent: string,
  ended: Ended,
): Promise<Outcome> {
  if (ended.signal !== 'SIGKILL') {
    const wrong = ended.code === 0 ? [] : [`ended with ${String(ended.code)}: ${ended.err}`];
    wrong.push(...(await atRest(parent, RESULT, scenario, ['new'])));
    return { ended: 'completed', wrong };
  }
  const found = standing(await readState(parent, RESULT), scenario);
  const wrong = await afterKill(parent, RESULT, scenario);
  wrong.push(...(await startAgain(laboratory, scenario, parent)));
  return { ended: `killed, ${found}`, wrong };
}

/** The calls a command makes below the folder, as they are without faults. */
async function callsOf(
  laboratory: Laboratory,
  scenario: Scenario,
  calls: Fault['calls'],
  where: 'result' | 'inputs',
): Promise<string[]> {
  return inFolder(laboratory, scenario, async (parent) => {
    const folder = where === 'result' ? parent : scenario.inputs;
    const log = join(parent, '..', 'log');
    const fault = { folder, calls, at: 0, deed: 'kill' } as const;
    const env = faultEnvironment(laboratory.library, fault, log);
    await runProgram(laboratory, scenario.words(parent), env);
    return takeCalls(log);
  });
}

/** Threads make the number of calls vary a little; so many more are tried. */
const SPARE_CALLS = 2;

export async function killAtEveryCall(laboratory: Laboratory, scenario: Scenario): Promise<Case[]> {
  const calls = await callsOf(laboratory, scenario, 'change', 'result');
  const kill = (at: number, deed: 'kill' | 'torn'): Case => ({
    label: `${deed} at change ${String(at)}: ${calls[at - 1] ?? 'beyond the last'}`,
    run: () =>
      inFolder(laboratory, scenario, async (parent) => {
        const fault = { folder: parent, calls: 'change', at, deed } as const;
        const env = faultEnvironment(laboratory.library, fault);
        const ended = await runProgram(laboratory, scenario.words(parent), env);
        return judgeKill(laboratory, scenario, parent, ended);
      }),
  });
  const every = Array.from({ length: calls.length + SPARE_CALLS }, (_, index) => index + 1);
  const writes = every.filter((at) => /write/.test(calls[at - 1] ?? ''));
  return [...every.map((at) => kill(at, 'kill')), ...writes.map((at) => kill(at, 'torn'))];
}

export function killAtRandom(laboratory: Laboratory, scenario: Scenario, count: number): Case[] {
  const random = randomStream('kills', scenario.id);
  return Array.from({ length: count }, () => {
    const killAfterMs = Math.round(1.1 * scenario.durationMs * random());
    return {
      label: `killed after ${String(killAfterMs)} ms`,
      run: () =>
        inFolder(laboratory, scenario, async (parent) => {
          const ended = await runProgram(laboratory, scenario.words(parent), {}, killAfterMs);
          return judgeKill(laboratory, scenario, parent, ended);
        }),
    };
  });
}

const errnos = { EIO: 5, ENOSPC: 28 } as const;

/** What a failure must say: one line with a foreseen code. */
export function unclear({ code, out, err }: Ended, wanted: RegExp): string[] {
  const lines = err.split('\n').filter((line) => line.startsWith('error['));
  if (code === 1 && out === '' && lines.length === 1 && wanted.test(lines[0] ?? '')) return [];
  return [`an error like ${String(wanted)} was expected, but exit code ${String(code)}: ${err}`];
}

async function judgeFailure(
  laboratory: Laboratory,
  scenario: Scenario,
  parent: string,
  ended: Ended,
  wanted: RegExp,
): Promise<Outcome> {
  const before = scenario.old === undefined ? 'nothing' : 'old';
  // Only what may really be so may be said: a message that the new files stand there, or that the old ones were moved.
  const inPlace = ended.code === 0 || ended.err.includes('is in place');
  const moved = ended.err.includes('was moved to');
  const expected = inPlace ? 'new' : moved ? 'nothing' : before;
  const state = await readState(parent, RESULT);
  const found = standing(state, scenario);
  const wrong = ended.code === 0 ? [] : unclear(ended, wanted);
  if (found !== expected) wrong.push(`${found} where ${expected} was expected: ${ended.err}`);
  wrong.push(...state.strangers.map((stranger) => `left behind: ${stranger}`));
  // A disk that fails for good can fail the clearing, too; the next start does it then.
  if (state.temporaries.length > 0) wrong.push(...(await startAgain(laboratory, scenario, parent)));
  const leftovers = state.temporaries.length > 0 ? ', cleared by the next start' : '';
  return { ended: (ended.code === 0 ? 'completed' : 'refused') + leftovers, wrong };
}

interface Failing {
  readonly calls: Fault['calls'];
  readonly where: 'result' | 'inputs';
  readonly errno: keyof typeof errnos;
  readonly lasting: boolean;
}

/** One failure at every call, or from every call on. */
export async function failEveryCall(
  laboratory: Laboratory,
  scenario: Scenario,
  { calls, where, errno, lasting }: Failing,
): Promise<Case[]> {
  const made = await callsOf(laboratory, scenario, calls, where);
  // The place that was asked for is named, not one that is gone by then.
  const place = where === 'inputs' ? scenario.inputs : `disk/${RESULT}`;
  const wanted = new RegExp(`error\\[(?!unexpected)[^;]*, in [^;]*${place}`);
  return made.map((call, index) => ({
    label: `${errno}${lasting ? ' from' : ' at'} ${calls} ${String(index + 1)} of ${where}: ${call}`,
    run: () =>
      inFolder(laboratory, scenario, async (parent) => {
        const folder = where === 'result' ? parent : scenario.inputs;
        const fault = { folder, calls, at: index + 1, lasting, deed: errnos[errno] };
        const env = faultEnvironment(laboratory.library, fault);
        const ended = await runProgram(laboratory, scenario.words(parent), env);
        return judgeFailure(laboratory, scenario, parent, ended, wanted);
      }),
  }));
}

/** Every write takes only half of what it is given, as a signal or a nearly full disk may make it. */
export function shortWrites(laboratory: Laboratory, scenario: Scenario): Case[] {
  return [
    {
      label: 'all writes are short',
      run: () =>
        inFolder(laboratory, scenario, async (parent) => {
          const fault = {
            folder: parent,
            calls: 'change',
            at: 1,
            lasting: true,
            deed: 'short',
          } as const;
          const env = faultEnvironment(laboratory.library, fault);
          const ended = await runProgram(laboratory, scenario.words(parent), env);
          const wrong = await atRest(parent, RESULT, scenario, ['new']);
          return { ended: ended.code === 0 ? 'completed' : `failed: ${ended.err}`, wrong };
        }),
    },
  ];
}
