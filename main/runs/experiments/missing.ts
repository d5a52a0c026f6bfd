/** What an experiment needs and does not find, said before anything starts. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { findLocalModel } from '../../hub/local.ts';
import { isHubReference, requireHubName } from '../../hub/name.ts';
import { AppError } from '../../lib/errors.ts';
import { withHeadPaths } from '../heads.ts';
import type { ExperimentRun } from './expand.ts';
import type { ModelSet } from './model-set.ts';

/** Throws `experiment.incomplete`, which names everything that the runs need and that is not there. */
export function refuseMissing(runs: readonly ExperimentRun[], { folder, title }: ModelSet): void {
  const models = new Set<string>();
  const files = new Set<string>();
  for (const { recipe } of runs) {
    models.add(recipe.base);
    for (const { expert, head, data, unlabelled } of recipe.tasks) {
      models.add(expert);
      for (const path of [data, unlabelled ?? data]) files.add(resolve(folder, path));
      if (typeof head === 'string') files.add(resolve(folder, head));
      else {
        const file = (written: string) => (files.add(resolve(folder, written)), written);
        const model = (written: string) => (models.add(written), written);
        withHeadPaths(head, file, model);
      }
    }
  }
  const hub = [...models].filter(isHubReference).map(requireHubName);
  const names = hub.filter((name) => findLocalModel(name) === undefined).map((name) => name.repository);
  const paths = [...[...models].filter((each) => !isHubReference(each)), ...files]
    .map((each) => resolve(folder, each))
    .filter((each) => !existsSync(each));
  if (names.length + paths.length === 0) return;
  const lists = [
    ...(names.length === 0 ? [] : [`models of the Hub: ${names.join(', ')}`]),
    ...(paths.length === 0 ? [] : [`files: ${paths.join(', ')}`]),
  ];
  const ways = [
    ...(names.length === 0 ? [] : [`download the models with "mergewright hub get ${names.join(' ')}"`]),
    ...(paths.length === 0 ? [] : ['put the files there, or name their folder with --data']),
  ];
  throw new AppError('experiment.incomplete', {
    what: `of ${models.size} models and ${files.size} files of ${title}, ${names.length + paths.length} are not on this machine; ${lists.join('; ')}`,
    where: folder,
    hint: ways.join('; '),
  });
}
