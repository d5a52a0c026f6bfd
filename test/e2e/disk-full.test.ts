/** Real full disks: file systems of a few kilobytes to a few megabytes, mounted where no other process sees them. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { errorLine, mergewright, printed, program, start, type Outcome } from './program.ts';
import { comparable, onlyRun, writeProject } from './project.ts';

const methods = [
  { id: 'individual' },
  { id: 'task_arithmetic' },
  { id: 'wemoe_1', method: 'wemoe', parameters: { router_layers: 1, steps: 4 } },
];

/** Gives a command a view of the file systems of its own. */
const apart = 'unshare';

/** Why no file system can be mounted here, if so. */
const obstacle = ((): string | undefined => {
  try {
    execFileSync(apart, ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'mounting a small file system needs Linux and the rights of root';
  }
})();

let folder: string;
let recipe: string;
let run: string;
let disk: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  recipe = await writeProject(folder, methods, {
    export: { method: 'wemoe_1', formats: ['onnx'], mode: 'dynamic' },
  });
  const project = join(folder, 'project');
  printed(await mergewright('run', recipe, '--project', project));
  run = await onlyRun(project);
  disk = await temporaryFolder();
});

/** What scripts start with: `mw` runs the program, `$disk` is a new disk of the size asked for. */
const prelude = `set -e
disk=$1 recipe=$2 run=$3
mw() { "${process.execPath}" "${program}" "$@"; }
mount -t tmpfs -o size=$4k tmpfs "$disk"
`;

/** Runs a script where only it sees the small disk. */
function onSmallDisk(kilobytes: number, script: string): Promise<Outcome> {
  const words = [prelude + script, 'bash', disk, recipe, run, String(kilobytes)];
  return start(apart, ['-m', 'bash', '-c', ...words]).end;
}

/** Ends as a command that may fail, after printing everything that is on the disk. */
const listing = (command: string): string =>
  `code=0; ${command} || code=$?; cd "$disk"; find . -mindepth 1; exit $code`;

describe('on a full disk', () => {
  it('merge leaves nothing', async ({ skip }) => {
    if (obstacle !== undefined) return skip(obstacle);
    const script = listing('mw merge "$recipe" --method task_arithmetic --out "$disk/merged"');
    const line = errorLine(await onSmallDisk(80, script), 'file.disk_full');
    expect(line).toContain(join(disk, 'merged'));
  });

  it.for(['onnx', 'safetensors'])('export as %s leaves nothing', async (format, { skip }) => {
    if (obstacle !== undefined) return skip(obstacle);
    const script = listing(`mw export "$run" --format ${format} --out "$disk/exported"`);
    const line = errorLine(await onSmallDisk(80, script), 'file.disk_full');
    expect(line).toContain(join(disk, 'exported'));
  });

  it.for([8, 100, 130, 160])(
    'run on %d kB says so, and goes on when there is room: the same bytes',
    async (kilobytes, { skip }) => {
      if (obstacle !== undefined) return skip(obstacle);
      const copy = join(folder, `continued-${kilobytes}`);
      const script = `
        code=0
        mw run "$recipe" --project "$disk/project" || code=$?
        find "$disk" -name '*.part' -o -name '*.old' -o -name report.json -o -name lock.json
        mount -o remount,size=16m "$disk"
        created=$(ls "$disk/project/runs" 2>/dev/null | head -1)
        if [ -n "$created" ]; then recipe=$disk/project/runs/$created; fi
        mw run "$recipe" --project "$disk/project" >/dev/null 2>&1
        cp -r "$disk/project" "${copy}"
        exit $code`;
      errorLine(await onSmallDisk(kilobytes, script), 'file.disk_full');
      expect(await comparable(await onlyRun(copy))).toEqual(await comparable(run));
    },
  );
});
