/** The whole contract, implemented. */
import { mergeHandlers } from './merge.ts';
import { projectHandlers } from './project.ts';
import { runsHandlers } from './runs.ts';

export const router = { project: projectHandlers, merge: mergeHandlers, runs: runsHandlers };
