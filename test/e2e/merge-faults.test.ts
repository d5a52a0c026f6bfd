/**
 * A few of the faults of `npx tsx test/faults/run.ts`, which tries all of them: an older result is replaced, and at no
 * moment does anything torn stand under its name.
 */
import { realpath } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { fillDisk, mountObstacle } from '../faults/disk-full.ts';
import { killAtEveryCall, shortWrites, type Case } from '../faults/experiments.ts';
import { openLaboratory, type Laboratory, type Scenario } from '../faults/scenarios.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
// Builds the program.
import './program.ts';

const obstacle = 'counting calls of the system needs Linux and a C compiler';

let laboratory: Laboratory | undefined;
let scenario: Scenario | undefined;
let kills: readonly Case[] = [];

beforeAll(async () => {
  const folder = await realpath(await temporaryFolder());
  laboratory = await openLaboratory(folder, (id) => id === 'merge-overwriting');
  scenario = laboratory?.scenarios[0];
  if (laboratory === undefined || scenario === undefined) return;
  kills = await killAtEveryCall(laboratory, scenario);
});

describe('a merge over an older result', () => {
  /** In the middle of the weights, and each moment of the exchange of the folders. */
  it.for([
    /^torn .* pwrite64 /,
    /^kill .* mkdir \/\*\.old$/,
    /^kill .* rename \/result$/,
    /^kill .* rename \/\*\.merge$/,
    /^kill .* unlink \/\*\.old\/result/,
  ])('killed there, then started again: %s', async (wanted, { skip }) => {
    if (laboratory === undefined) return skip(obstacle);
    const chosen = kills.find(({ label }) => wanted.test(label));
    expect(chosen, 'a call like this').toBeDefined();
    const outcome = await chosen?.run();
    expect(outcome).toEqual({ ended: expect.stringContaining('killed') as string, wrong: [] });
  });

  it('with every write cut short: the same bytes', async ({ skip }) => {
    if (laboratory === undefined || scenario === undefined) return skip(obstacle);
    const [all] = shortWrites(laboratory, scenario);
    expect(await all?.run()).toEqual({ ended: 'completed', wrong: [] });
  });

  it('on disks of several sizes: refused and the old one whole, or done', async ({ skip }) => {
    if (laboratory === undefined || scenario === undefined) return skip(obstacle);
    const unmountable = mountObstacle();
    if (unmountable !== undefined) return skip(unmountable);
    const cases: Case[] = await fillDisk(laboratory, scenario, 3);
    const outcomes = await Promise.all(cases.map(({ run }) => run()));
    expect(outcomes.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(new Set(outcomes.map(({ ended }) => ended))).toEqual(new Set(['refused', 'completed']));
  });
});
