/** The commands of the program, in the order of its help. */
import type { Command } from '../command.ts';
import { check } from './check.ts';
import { demo } from './demo.ts';
import { dump } from './dump.ts';
import { engines } from './engines.ts';
import { evaluate } from './evaluate.ts';
import { experiment } from './experiment.ts';
import { exportCommand } from './export.ts';
import { head } from './head.ts';
import { hub } from './hub.ts';
import { inspect } from './inspect.ts';
import { lora } from './lora.ts';
import { merge } from './merge.ts';
import { run } from './run.ts';
import { table } from './table.ts';

export const commands: readonly Command[] = [
  demo,
  run,
  experiment,
  table,
  merge,
  check,
  lora,
  evaluate,
  head,
  exportCommand,
  inspect,
  hub,
  dump,
  engines,
];
