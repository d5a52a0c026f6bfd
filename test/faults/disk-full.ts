/** Disks of twenty sizes, from too small for anything to a little larger than the result, mounted apart. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow } from '../support/files.ts';
import { againOutcome, inFolder, unclear, type Case, type Outcome } from './experiments.ts';
import { program, runToEnd, type Ended } from './process.ts';
import { RESULT, type Laboratory, type Scenario } from './scenarios.ts';
import { atRest, readState, standing, type Standing } from './state.ts';

const PAGE = 4096;

/** Why no file system can be mounted here, if so. */
export function mountObstacle(): string | undefined {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'mounting a small file system needs Linux and the rights of root';
  }
}

/**
 * Arguments: the folder with what the command finds, which becomes the small disk; a folder for what was seen; bytes
 * of the disk; the command. The disk is copied out, for no other process sees it.
 */
const script = `set -e
disk=$1 seen=$2 size=$3
shift 3
cp -a "$disk" "$seen/before"
mount -t tmpfs -o size=$size tmpfs "$disk"
cp -a "$seen/before/." "$disk"
attempt() {
  code=0
  "\${@:2}" >"$seen/$1.out" 2>"$seen/$1.err" || code=$?
  echo $code >"$seen/$1.code"
  cp -a "$disk" "$seen/$1"
}
attempt full "$@"
mount -o remount,size=64m "$disk"
attempt again "$@"
`;

async function seenOf(seen: string, attempt: string): Promise<Ended> {
  const read = (kind: string) => readFile(join(seen, `${attempt}.${kind}`), 'utf8');
  const [code, out, err] = await Promise.all([read('code'), read('out'), read('err')]);
  return { code: Number(code), signal: null, out, err, milliseconds: 0 };
}

async function pagesBelow(folder: string): Promise<number> {
  let pages = 1;
  for (const bytes of (await filesBelow(folder)).values()) pages += Math.ceil(bytes.length / PAGE);
  return pages;
}

async function tryDisk(
  laboratory: Laboratory,
  scenario: Scenario,
  parent: string,
  freePages: number,
): Promise<Outcome> {
  const seen = join(parent, '..', 'seen');
  await mkdir(seen);
  const { temporaries } = await readState(parent, RESULT);
  const bytes = PAGE * ((await pagesBelow(parent)) + freePages);
  const command = [process.execPath, program, ...scenario.words(parent)];
  const words = ['-m', 'bash', '-c', script, 'bash', parent, seen, String(bytes), ...command];
  const whole = await runToEnd('unshare', words, { env: laboratory.env });
  if (whole.code !== 0) throw new Error(`the small disk failed: ${whole.err}`);
  const full = await seenOf(seen, 'full');
  const wrong: string[] = [];
  const before = scenario.old === undefined ? 'nothing' : 'old';
  const done = full.code === 0;
  // Pre-flight sees what is too little from the start, and names the disk; later the place that was asked for is named.
  const refused = `error\\[merge\\.preflight\\]: Not enough disk space: .* at ${parent}(/${RESULT})?; make room`;
  const failed = `error\\[file\\.disk_full\\]: .*, in ${join(parent, RESULT)}.*; free some space`;
  if (!done) wrong.push(...unclear(full, new RegExp(`${refused}|${failed}`)));
  // What was refused before it began has touched nothing: what a killed one left can still be gone on with.
  const kept = full.err.includes('error[merge.preflight]') ? temporaries : [];
  const standingThen: Standing[] = [done ? 'new' : before];
  wrong.push(...(await atRest(join(seen, 'full'), RESULT, scenario, standingThen, kept)));
  const was = standing(await readState(join(seen, 'full'), RESULT), scenario);
  wrong.push(...againOutcome(await seenOf(seen, 'again'), was === 'new'));
  wrong.push(...(await atRest(join(seen, 'again'), RESULT, scenario, ['new'])));
  return { ended: done ? 'completed' : 'refused', wrong };
}

/** `levels` sizes between one page and a tenth more than `needPages`. */
export async function fillDisk(
  laboratory: Laboratory,
  scenario: Scenario,
  levels: number,
): Promise<Case[]> {
  // The reserve of the program, and its temporaries and journal.
  const extra = 24;
  const need =
    (await pagesBelow(join(laboratory.folder, 'rehearsals', scenario.id, RESULT))) + extra;
  return Array.from({ length: levels }, (_, level) => {
    const pages = Math.round((1.1 * need * level) / (levels - 1));
    return {
      label: `${String((pages * PAGE) / 1024)} KiB free`,
      run: () =>
        inFolder(laboratory, scenario, (parent) => tryDisk(laboratory, scenario, parent, pages)),
    };
  });
}
