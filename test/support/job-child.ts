/** Goes on with the run in the folder that is given, in a process of its own; prints a dot at every event. */
import { runJob } from '../../main/runs/job.ts';
import { openRun } from '../../main/runs/run-folder.ts';
import { tinyEngine } from './tiny-run.ts';

const [, , folder = ''] = process.argv;
await runJob(await openRun(folder), {
  engine: await tinyEngine(),
  saveIntervalMs: 0,
  onEvent: () => process.stdout.write('.'),
});
