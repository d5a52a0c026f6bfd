/** A program with one command, to be stopped from outside. */
import { defineCommand } from '../../../main/cli/command.ts';
import { runProcess } from '../../../main/cli/process.ts';
import { throwIfCancelled } from '../../../main/lib/errors.ts';

const work = defineCommand({
  name: 'work',
  summary: 'Work until stopped',
  example: 'child work',
  positionals: [],
  options: {
    lines: { kind: 'integer', value: 'N', min: 0, max: 1_000_000, summary: 'lines of the result' },
    stubborn: { kind: 'flag', summary: 'do not stop when asked' },
  },
  async run({ lines, stubborn }, _, { signal, progress }) {
    if (lines !== undefined) return { text: 'line\n'.repeat(lines), json: null };
    progress.log('ready');
    while (stubborn || !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10));
    throwIfCancelled(signal);
    return { text: '', json: null };
  },
});

// Keeps the process alive, as the threads of an engine do.
setInterval(() => undefined, 1000);
await runProcess([work], '1.2.3');
