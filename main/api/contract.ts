/**
 * What the compute host does for the window, call by call. The same router serves a MessagePort in the
 * application and a plain function call in tests. Numbers and screen-sized tiles cross; tensors, paths
 * and labels that could be learned from never do.
 */
import { compareContract } from './compare.ts';
import { enginesContract } from './engines.ts';
import { experimentsContract } from './experiments.ts';
import { exportsContract } from './exports.ts';
import { hubContract } from './hub.ts';
import { loraContract } from './lora.ts';
import { mergeContract } from './merge.ts';
import { projectContract } from './project.ts';
import { routingContract } from './routing.ts';
import { runsContract } from './runs.ts';
import { tablesContract } from './tables.ts';
import { weightsContract } from './weights.ts';

export const contract = {
  project: projectContract,
  merge: mergeContract,
  engines: enginesContract,
  runs: runsContract,
  routing: routingContract,
  compare: compareContract,
  exports: exportsContract,
  experiments: experimentsContract,
  tables: tablesContract,
  weights: weightsContract,
  lora: loraContract,
  hub: hubContract,
};
