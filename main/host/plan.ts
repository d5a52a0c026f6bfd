/** What a run of a draft would need, and the start of one. */
import { statfs } from 'node:fs/promises';
import type { Failure } from '../api/common.ts';
import type { Draft, Finding, Plan } from '../api/merge.ts';
import type { ChosenEngine } from '../engine/choice.ts';
import { AppError } from '../lib/errors.ts';
import type { MethodSeconds } from '../runs/estimate.ts';
import { formatRecipe, resolveRecipePaths, type Recipe } from '../runs/recipe.ts';
import { engineOf, engineToGoOn } from '../runs/run-engine.ts';
import { createRun, readRunRecipe, type RunFolder } from '../runs/run-folder.ts';
import { recipeOf } from './drafts.ts';
import type { Estimate } from './estimates.ts';
import type { JobInput } from './job.ts';
import { finding, findingsOf } from './findings.ts';
import type { Session } from './session.ts';

/** Nothing is computed but one timed batch, and that only where no earlier run tells the time. */
export async function planOf(draft: Draft, session: Session): Promise<Plan> {
  const { project } = session;
  const findings = await findingsOf(draft, project);
  if (findings.some(({ severity }) => severity === 'error')) {
    return { findings, estimate: null, recipe: recipeText(draft, session) };
  }
  const recipe = recipeOf(draft, project);
  const absolute = resolveRecipePaths(recipe, project.folder);
  const engine = await engineOf(recipe, project.folder);
  const estimate = await session.estimates.estimate(absolute, project.folder, engine);
  findings.push(...(await roomFindings(draft, estimate, project.folder)));
  return { findings, estimate, recipe: formatRecipe(recipe) };
}

/** Empty while the project lacks something that the recipe would name. */
function recipeText(draft: Draft, { project }: Session): string {
  try {
    return formatRecipe(recipeOf(draft, project));
  } catch (error) {
    if (error instanceof AppError) return '';
    throw error;
  }
}

/** Whether the machine has room for what the run needs. */
export async function roomFindings(
  draft: Draft,
  estimate: Pick<Estimate, 'memoryBytes' | 'freeMemoryBytes' | 'diskBytes'>,
  folder: string,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const { memoryBytes, freeMemoryBytes, diskBytes } = estimate;
  if (memoryBytes > freeMemoryBytes) {
    const { batch } = draft.adaptation;
    const smaller = { ...draft, adaptation: { batch: Math.ceil(batch / 2) } };
    const failure = {
      code: 'plan.low_memory',
      what: `the run needs about ${gigabytes(memoryBytes)}, and ${gigabytes(freeMemoryBytes)} are free`,
      hint: 'close other programs, or use smaller batches or fewer tasks',
    } as const;
    const fix = batch > 1 ? { title: 'Halve the batches', draft: smaller } : null;
    findings.push(finding('warning', failure, fix));
  }
  const disk = await statfs(folder).catch(() => undefined);
  if (disk !== undefined && disk.blocks > 0 && disk.bavail * disk.bsize < diskBytes) {
    const failure = {
      code: 'file.disk_full',
      what: `the run writes about ${gigabytes(diskBytes)}, and ${gigabytes(disk.bavail * disk.bsize)} are free`,
      where: folder,
      hint: 'free some space, or move the project',
    } as const;
    findings.unshift(finding('error', failure));
  }
  return findings;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Creates the run of a draft and starts it. Throws `run.busy` and the first finding that is an error. */
export async function startRun(draft: Draft, session: Session): Promise<RunFolder> {
  const { project } = session;
  const { run } = await session.jobs.start(async () => {
    const findings = await findingsOf(draft, project);
    const wrong = findings.find(({ severity }) => severity === 'error');
    if (wrong !== undefined) throw errorOf(wrong.failure);
    return newRun(recipeOf(draft, project), session);
  });
  return run;
}

/** Creates the run of a recipe, whose paths are relative to the project, and starts it. Throws `run.busy`. */
export async function startRecipe(recipe: Recipe, session: Session): Promise<RunFolder> {
  return (await session.jobs.start(() => newRun(recipe, session))).run;
}

async function newRun(recipe: Recipe, session: Session): Promise<JobInput> {
  const { folder } = session.project;
  const engine = await engineOf(recipe, folder);
  const expected = await expectedTimes(recipe, folder, engine, session);
  return { run: await createRun(folder, recipe, folder), recipe, engine, expected };
}

/** Goes on with a run that is not done. Throws `run.busy`. */
export async function resumeRun(run: RunFolder, session: Session): Promise<void> {
  await session.jobs.start(async () => {
    const { recipe, folder } = await readRunRecipe(run);
    const engine = await engineToGoOn(run);
    return { run, recipe, engine, expected: await expectedTimes(recipe, folder, engine, session) };
  });
}

function errorOf({ code, what, where, hint }: Failure): AppError {
  return new AppError(code, { what, hint, ...(where === undefined ? {} : { where }) });
}

/** What is only shown must not keep a run from starting: then the time left is not told. */
async function expectedTimes(
  recipe: Recipe,
  folder: string,
  engine: ChosenEngine,
  session: Session,
): Promise<ReadonlyMap<string, MethodSeconds>> {
  try {
    const absolute = resolveRecipePaths(recipe, folder);
    return (await session.estimates.times(absolute, session.project.folder, engine)).methods;
  } catch (error) {
    if (error instanceof AppError) return new Map();
    throw error;
  }
}
