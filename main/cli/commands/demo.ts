import { join } from 'node:path';
import { demoFolder } from '../assets.ts';
import { defineCommand } from '../command.ts';
import { startRun } from './run.ts';

export const demo = defineCommand({
  name: 'demo',
  summary: 'Run the bundled benchmark: eight experts become one model',
  description:
    'Merges eight small fine-tuned vision encoders with every method, adapts on unlabelled images, compares with the individual models, and exports the best one. Takes a few minutes.',
  example: 'mergewright demo --out demo-project',
  positionals: [],
  options: {
    out: { kind: 'text', value: 'DIR', summary: 'project folder; default: runs/demo' },
  },
  run: ({ out }, _, context) =>
    startRun(join(demoFolder(), 'recipe.yaml'), out ?? join('runs', 'demo'), context),
});
