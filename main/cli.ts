/** The command line program `mergewright`. */
import manifest from '../package.json' with { type: 'json' };
import { commands } from './cli/commands/index.ts';
import { runProcess } from './cli/process.ts';

await runProcess(commands, manifest.version);
