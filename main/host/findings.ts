/** What can be said of a draft before anything is computed, each with what one click does about it. */
import type { Failure } from '../api/common.ts';
import type { Draft, Finding } from '../api/merge.ts';
import type { TaskCard } from '../api/project.ts';
import { corruptionNamed } from '../data/corruptions/corruptions.ts';
import { createEngine } from '../engine/choice.ts';
import { AppError } from '../lib/errors.ts';
import { allParameters, catalogueEntry, methodCatalogue } from '../runs/catalogue.ts';
import { stepsOf } from '../runs/earlier-runs.ts';
import { projectCards } from './cards.ts';
import { noTasks } from './drafts.ts';
import { failureOf } from './failures.ts';
import type { OpenProject } from './open-project.ts';

/** Fewer steps hardly move the routers; this many give most of the gain. */
const fewSteps = 20;
const enoughSteps = 300;

type Fix = NonNullable<Finding['fix']>;

/** Findings about the draft, the worst first. */
export async function findingsOf(draft: Draft, project: OpenProject): Promise<Finding[]> {
  const findings = [
    ...(await materialFindings(draft, project)),
    ...methodFindings(draft),
    ...(await engineFindings(draft)),
    ...advice(draft),
  ];
  const rank = { error: 0, warning: 1, note: 2 };
  return findings.sort((a, b) => rank[a.severity] - rank[b.severity]);
}

export function finding(
  severity: Finding['severity'],
  failure: Failure,
  fix: Fix | null = null,
): Finding {
  return { severity, failure, fix };
}

async function materialFindings(draft: Draft, project: OpenProject): Promise<Finding[]> {
  const { base, baseProblem, tasks } = await projectCards(project.folder, project.materials);
  const findings: Finding[] = [];
  if (baseProblem !== null) findings.push(finding('error', baseProblem));
  else if (base === null) findings.push(finding('error', missing('base model', 'the project')));
  const nothing = failureOf(draft.tasks.length === 0 ? noTasks() : undefined);
  if (nothing !== undefined) {
    const all = tasks.map(({ id }) => id);
    const fix = { title: 'Choose all tasks', draft: { ...draft, tasks: all } };
    findings.push(finding('error', nothing, all.length === 0 ? null : fix));
  }
  const unknown = corruptionFailure(draft);
  if (unknown !== undefined) {
    const fix = { title: 'Use clean images', draft: { ...draft, corruption: null } };
    findings.push(finding('error', unknown, fix));
  }
  if (draft.tasks.length > 0 && draft.tasks.every((id) => draft.unseen.includes(id))) {
    const what = 'all tasks are only measured, so there is nothing to merge';
    const failure: Failure = { code: 'merge.no_experts', what, hint: 'let some tasks be seen' };
    const fix = { title: 'Let all be seen', draft: { ...draft, unseen: [] } };
    findings.push(finding('error', failure, fix));
  }
  for (const id of draft.tasks) {
    const card = tasks.find((task) => task.id === id);
    const fix = withoutTask(draft, id);
    if (card === undefined) {
      const what = `the project has no task "${id}" any more`;
      const hint = 'leave it out, or undo its removal';
      findings.push(finding('error', { code: 'project.no_task', what, hint }, fix));
    } else {
      findings.push(...taskProblems(card).map((problem) => finding('error', problem, fix)));
    }
  }
  return findings;
}

function corruptionFailure({ corruption }: Draft): Failure | undefined {
  try {
    if (corruption !== null) corruptionNamed(corruption.kind);
    return undefined;
  } catch (error) {
    return failureOf(error);
  }
}

function taskProblems(card: TaskCard): Failure[] {
  const owner = `task "${card.title}"`;
  const found = (problem: Failure | null, there: boolean, what: string) =>
    problem ?? (there ? undefined : missing(what, owner));
  return [
    found(card.problem, card.expert !== null, 'expert'),
    found(card.headProblem, card.head !== null, 'head'),
    found(card.dataProblem, card.data !== null, 'image set'),
    card.unlabelledProblem ?? undefined,
  ].filter((problem) => problem !== undefined);
}

function missing(what: string, owner: string): Failure {
  return {
    code: 'project.incomplete',
    what: `${owner} has no ${what}`,
    hint: `choose the ${what} in the Project view`,
  };
}

function withoutTask(draft: Draft, id: string): Fix | null {
  const tasks = draft.tasks.filter((task) => task !== id);
  return tasks.length === 0 ? null : { title: `Leave out ${id}`, draft: { ...draft, tasks } };
}

function methodFindings(draft: Draft): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  draft.methods.forEach(({ id, method }, index) => {
    if (seen.has(id.toLowerCase())) {
      const other = freeId(id, draft);
      const what = `the id "${id}" occurs twice, but results are filed under it`;
      const failure: Failure = { code: 'recipe.invalid', what, hint: 'give every row its own id' };
      const draftThen = changeMethod(draft, index, { id: other });
      findings.push(finding('error', failure, { title: `Call it ${other}`, draft: draftThen }));
    }
    seen.add(id.toLowerCase());
    if (!methodCatalogue.ids.includes(method)) {
      const what = `there is no merging method "${method}" in this version`;
      const failure: Failure = { code: 'recipe.unknown_method', what, hint: 'remove the row' };
      const methods = draft.methods.toSpliced(index, 1);
      const fix =
        methods.length === 0 ? null : { title: 'Remove it', draft: { ...draft, methods } };
      findings.push(finding('error', failure, fix));
      return;
    }
    findings.push(...parameterFindings(draft, index), ...orderFindings(draft, index));
  });
  return findings;
}

/** Whether the merge that a method goes on from stands before it. */
function orderFindings(draft: Draft, index: number): Finding[] {
  const { methods } = draft;
  const entry = methods[index];
  const known = methods.filter(({ method }) => methodCatalogue.ids.includes(method));
  if (entry === undefined) return [];
  const check = (entries: Draft['methods']) => {
    const { id } = entry;
    methodCatalogue.validateOrder(
      entries,
      entries.findIndex((each) => each.id === id),
      () => `method "${id}"`,
    );
  };
  try {
    check(known);
    return [];
  } catch (error) {
    const failure = failureOf(error);
    if (failure === undefined) throw error;
    const { of: _left, ...parameters } = entry.parameters;
    const last = changeMethod(draft, index, { parameters });
    try {
      check(last.methods.filter(({ method }) => methodCatalogue.ids.includes(method)));
      return [finding('error', failure, { title: 'Use the last merge before it', draft: last })];
    } catch {
      const taken = methods.some((each) => each.id.toLowerCase() === 'adamerging');
      const id = taken ? freeId('adamerging', draft) : 'adamerging';
      const added = last.methods.toSpliced(index, 0, { id, method: 'adamerging', parameters: {} });
      const fix = { title: 'Add AdaMerging before it', draft: { ...last, methods: added } };
      return [finding('error', failure, fix)];
    }
  }
}

function freeId(id: string, { methods }: Draft): string {
  const taken = new Set(methods.map((entry) => entry.id.toLowerCase()));
  for (let number = 2; ; number++) {
    const candidate = `${id.slice(0, 58)}_${number}`;
    if (!taken.has(candidate.toLowerCase())) return candidate;
  }
}

function parameterFindings(draft: Draft, index: number): Finding[] {
  const entry = draft.methods[index];
  if (entry === undefined) return [];
  const found = catalogueEntry(entry.method);
  const findings: Finding[] = [];
  for (const [key, value] of Object.entries(entry.parameters)) {
    try {
      allParameters(found, { [key]: value }, draft.tasks.length, `method "${entry.id}"`);
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined) throw error;
      const { [key]: _left, ...parameters } = entry.parameters;
      const title = failure.code === 'recipe.unknown_parameter' ? 'Remove it' : 'Use the default';
      findings.push(
        finding('error', failure, { title, draft: changeMethod(draft, index, { parameters }) }),
      );
    }
  }
  return findings;
}

function changeMethod(
  draft: Draft,
  index: number,
  change: Partial<Draft['methods'][number]>,
): Draft {
  const methods = draft.methods.map((entry, i) => (i === index ? { ...entry, ...change } : entry));
  return { ...draft, methods };
}

async function engineFindings(draft: Draft): Promise<Finding[]> {
  if (draft.engine.id === 'auto') return [];
  try {
    const { id, storage = 'fp32' } = draft.engine;
    await createEngine(id, { storage });
    return [];
  } catch (error) {
    const failure = failureOf(error);
    if (failure === undefined) throw error;
    const fixed: Draft = { ...draft, engine: { ...draft.engine, id: 'auto' } };
    return [finding('error', failure, { title: 'Let the fastest be chosen', draft: fixed })];
  }
}

function advice(draft: Draft): Finding[] {
  const findings: Finding[] = [];
  if (!draft.methods.some(({ method }) => method === 'individual')) {
    const id = draft.methods.some((entry) => entry.id.toLowerCase() === 'individual')
      ? freeId('individual', draft)
      : 'individual';
    const methods = [{ id, method: 'individual', parameters: {} }, ...draft.methods];
    const failure: Failure = {
      code: 'plan.no_individual',
      what: 'the individual models are not measured, so there is no normalized accuracy',
      hint: 'add them; they cost one evaluation of every task',
    };
    findings.push(
      finding('warning', failure, { title: 'Add individual models', draft: { ...draft, methods } }),
    );
  }
  draft.methods.forEach((entry, index) => {
    const steps = stepsIfKnown(entry);
    if (steps === undefined || steps >= fewSteps) return;
    const parameters = { ...entry.parameters, steps: enoughSteps };
    const failure: Failure = {
      code: 'plan.few_steps',
      what: `"${entry.id}" adapts for only ${steps} steps, which hardly changes it`,
      hint: `most of the gain comes in the first ${enoughSteps} steps`,
    };
    const fix = {
      title: `Use ${enoughSteps} steps`,
      draft: changeMethod(draft, index, { parameters }),
    };
    findings.push(finding('warning', failure, fix));
  });
  if (draft.monitor !== null) {
    const failure: Failure = {
      code: 'plan.labels_read',
      what: `labels of ${draft.monitor.images} images of each task are read to draw accuracy while adapting`,
      hint: 'nothing is learned from them, and the result is the same without',
    };
    const fix = { title: 'Do not read labels', draft: { ...draft, monitor: null } };
    findings.push(finding('note', failure, fix));
  }
  return findings;
}

/** Steps of an adaptive method; undefined for others and for parameters that are wrong anyway. */
function stepsIfKnown(entry: Draft['methods'][number]): number | undefined {
  if (!methodCatalogue.ids.includes(entry.method)) return undefined;
  if (catalogueEntry(entry.method).kind !== 'adaptive') return undefined;
  try {
    return stepsOf({ ...entry });
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}
