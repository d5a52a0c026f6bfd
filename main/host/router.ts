/** The whole contract, implemented. */
import { compareHandlers } from './compare.ts';
import { enginesHandlers } from './engines.ts';
import { experimentsHandlers } from './experiments.ts';
import { exportsHandlers } from './exports.ts';
import { hubHandlers } from './hub/handlers.ts';
import { implementer } from './implementer.ts';
import { loraHandlers } from './lora/handlers.ts';
import { mergeHandlers } from './merge.ts';
import { projectHandlers } from './project.ts';
import { routingHandlers } from './routing.ts';
import { runsHandlers } from './runs.ts';
import { tablesHandlers } from './tables.ts';
import { weightsHandlers } from './weights/handlers.ts';

export const router = implementer.router({
  project: projectHandlers,
  merge: mergeHandlers,
  engines: enginesHandlers,
  runs: runsHandlers,
  routing: routingHandlers,
  compare: compareHandlers,
  exports: exportsHandlers,
  experiments: experimentsHandlers,
  tables: tablesHandlers,
  weights: weightsHandlers,
  lora: loraHandlers,
  hub: hubHandlers,
});
