/** What stands in a folder, and whether it may. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isTemporaryName } from '../../main/lib/durable.ts';
import { filesBelow } from '../support/files.ts';
import type { Scenario } from './scenarios.ts';

/** sha-256 by relative path. */
export type Files = ReadonlyMap<string, string>;

export interface State {
  /** Undefined where nothing has the name. */
  readonly result: Files | undefined;
  readonly temporaries: readonly string[];
  /** Neither the result nor a temporary. */
  readonly strangers: readonly string[];
}

export async function readState(parent: string, name: string): Promise<State> {
  const others = (await readdir(parent)).filter((each) => each !== name);
  const path = join(parent, name);
  return {
    result: existsSync(path) ? await hashes(path) : undefined,
    temporaries: others.filter(isTemporaryName),
    strangers: others.filter((each) => !isTemporaryName(each)),
  };
}

async function hashes(folder: string): Promise<Files> {
  const files = await filesBelow(folder);
  return new Map(
    [...files].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]),
  );
}

function same(files: Files | undefined, expected: Files | undefined): boolean {
  if (files === undefined || expected === undefined) return files === expected;
  return (
    files.size === expected.size && [...expected].every(([name, hash]) => files.get(name) === hash)
  );
}

export type Standing = 'nothing' | 'old' | 'new' | 'torn';

export function standing({ result }: State, scenario: Scenario): Standing {
  if (result === undefined) return 'nothing';
  if (same(result, scenario.new)) return 'new';
  return scenario.old !== undefined && same(result, scenario.old) ? 'old' : 'torn';
}

/** What is wrong after a kill: under the final name only something whole may stand, or nothing. */
export async function afterKill(
  parent: string,
  name: string,
  scenario: Scenario,
): Promise<string[]> {
  const state = await readState(parent, name);
  const found = standing(state, scenario);
  const wrong = state.strangers.map((stranger) => `a file of no known name: ${stranger}`);
  if (found === 'torn') wrong.push(`torn: ${[...(state.result ?? new Map()).keys()].join(', ')}`);
  if (found === 'nothing' && scenario.old !== undefined) {
    const kept = state.temporaries.filter((each) => each.endsWith('.old'));
    const whole = await Promise.all(
      kept.map(async (each) =>
        same((await readState(join(parent, each), name)).result, scenario.old),
      ),
    );
    if (!whole.includes(true)) wrong.push('the old result is gone, and no new one there');
  }
  return wrong;
}

/** What is wrong where everything is over: the one state that may be, and nothing beside it but `kept`. */
export async function atRest(
  parent: string,
  name: string,
  scenario: Scenario,
  allowed: readonly Standing[],
  kept: readonly string[] = [],
): Promise<string[]> {
  const state = await readState(parent, name);
  const found = standing(state, scenario);
  const left = [...state.strangers, ...state.temporaries].filter((each) => !kept.includes(each));
  return [
    ...(allowed.includes(found) ? [] : [`${found} where ${allowed.join(' or ')} was expected`]),
    ...left.map((each) => `left behind: ${each}`),
  ];
}
