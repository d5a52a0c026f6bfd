/** The commands of the program, in the order of its help. */
import type { Command } from '../command.ts';
import { engines } from './engines.ts';


export const commands: readonly Command[] = [engines];
