/**
 * Puts merges and exports through faults: `npx tsx test/faults/run.ts` [--every 10] [--only kills,random,…]
 * [--scenario merge,…] [--lanes 2]. Kills them at every call that changes something below the folder of the result and
 * at 200 random moments, fails every such call and every read, fills the disk, and looks at what stands there
 * afterwards and after the next start. Needs Linux, a C compiler and, for full disks, root; takes the better part of an
 * hour on two processors (`--every 10`: a tenth of the cases). Prints a line for each experiment and for each
 * violation; exit code 1 where there was one.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../../build/bundles.ts';
import { fillDisk, mountObstacle } from './disk-full.ts';
import {
  failEveryCall,
  killAtEveryCall,
  killAtRandom,
  shortWrites,
  type Case,
} from './experiments.ts';
import { openLaboratory, type Laboratory, type Scenario } from './scenarios.ts';

const { values: options } = parseArgs({
  options: {
    every: { type: 'string', default: '1' },
    only: { type: 'string' },
    scenario: { type: 'string' },
    lanes: { type: 'string', default: '2' },
  },
});

const RANDOM_KILLS = 200;
const DISK_SIZES = 20;

type Experiment = (laboratory: Laboratory, scenario: Scenario) => Case[] | Promise<Case[]>;

const experiments: Readonly<Record<string, Experiment>> = {
  kills: killAtEveryCall,
  random: (laboratory, scenario) =>
    killAtRandom(laboratory, scenario, Math.ceil(RANDOM_KILLS / laboratory.scenarios.length)),
  short: shortWrites,
  full: (laboratory, scenario) => fillDisk(laboratory, scenario, DISK_SIZES),
  'fail-once': (laboratory, scenario) =>
    failEveryCall(laboratory, scenario, {
      calls: 'change',
      where: 'result',
      errno: 'ENOSPC',
      lasting: false,
    }),
  'fail-lasting': (laboratory, scenario) =>
    failEveryCall(laboratory, scenario, {
      calls: 'change',
      where: 'result',
      errno: 'EIO',
      lasting: true,
    }),
  'read-inputs': (laboratory, scenario) =>
    failEveryCall(laboratory, scenario, {
      calls: 'read',
      where: 'inputs',
      errno: 'EIO',
      lasting: false,
    }),
  'read-back': (laboratory, scenario) =>
    failEveryCall(laboratory, scenario, {
      calls: 'read',
      where: 'result',
      errno: 'EIO',
      lasting: false,
    }),
};

interface Tally {
  readonly endings: Map<string, number>;
  violations: number;
}

async function runCases(title: string, cases: readonly Case[], tally: Tally): Promise<void> {
  const waiting = cases.values();
  const lane = async (): Promise<void> => {
    for (const { label, run } of waiting) {
      const { ended, wrong } = await run();
      tally.endings.set(ended, (tally.endings.get(ended) ?? 0) + 1);
      if (wrong.length === 0) continue;
      tally.violations++;
      console.log(`VIOLATION ${title}, ${label}\n  ${wrong.join('\n  ')}`);
    }
  };
  await Promise.all(Array.from({ length: Number(options.lanes) }, lane));
}

function chosen(list: string | undefined, name: string): boolean {
  return list === undefined || list.split(',').includes(name);
}

async function runAll(laboratory: Laboratory): Promise<boolean> {
  const obstacle = mountObstacle();
  let [total, violations] = [0, 0];
  for (const [name, experiment] of Object.entries(experiments)) {
    if (!chosen(options.only, name)) continue;
    if (name === 'full' && obstacle !== undefined) {
      console.log(`skipped: ${name}: ${obstacle}`);
      continue;
    }
    for (const scenario of laboratory.scenarios) {
      const all = await experiment(laboratory, scenario);
      const cases = all.filter((_, index) => index % Number(options.every) === 0);
      const title = `${name}, ${scenario.id}`;
      const tally: Tally = { endings: new Map(), violations: 0 };
      const begun = performance.now();
      await runCases(title, cases, tally);
      const seconds = ((performance.now() - begun) / 1000).toFixed(0);
      const endings = [...tally.endings]
        .sort()
        .map(([ended, count]) => `${ended}: ${String(count)}`);
      console.log(
        `${title.padEnd(42)} ${String(cases.length).padStart(4)} cases, ${String(tally.violations)} violations (${endings.join('; ')}) ${seconds} s`,
      );
      total += cases.length;
      violations += tally.violations;
    }
  }
  console.log(`${String(total)} cases, ${String(violations)} violations`);
  return violations === 0;
}

execFileSync(process.execPath, ['--import', 'tsx', 'build/bundle.ts'], { cwd: root });
const folder = await realpath(await mkdtemp(join(tmpdir(), 'mergewright-faults-')));
try {
  const laboratory = await openLaboratory(folder, (id) => chosen(options.scenario, id));
  if (laboratory === undefined) throw new Error('faults need Linux and a C compiler (cc)');
  console.log(`Node ${process.version}, ${String(cpus().length)} processors`);
  if (!(await runAll(laboratory))) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
