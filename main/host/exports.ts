/** Handlers of the Export view. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContractRouterClient } from '@orpc/contract';
import type { contract } from '../api/contract.ts';
import type { ExportFinished } from '../api/exports.ts';
import { writing } from '../lib/durable-file.ts';
import { averageAccuracy, normalizedAverage } from '../runs/report.ts';
import { exportRun, type RunExport } from '../runs/export-run.ts';
import { loadInputs } from '../runs/inputs.ts';
import { loadFinishedRun } from '../runs/job.ts';
import { engineToGoOn } from '../runs/run-engine.ts';
import { readRunReport, type RunFolder } from '../runs/run-folder.ts';
import { exportChoices, type Averages } from './export-choices.ts';
import { callError } from './failures.ts';
import { implementer } from './implementer.ts';
import { runOf } from './run-cards.ts';
import type { Session } from './session.ts';
import { streamOf } from './stream.ts';

const on = implementer.exports;

type StartInput = Parameters<ContractRouterClient<typeof contract>['exports']['start']>[0];
type ExportUpdate =
  | ExportFinished
  | {
      readonly type: 'progress';
      readonly stage: 'loading' | 'measuring' | 'writing' | 'verifying' | 'publishing';
    };

export const exportsHandlers = {
  choices: on.choices.handler(async ({ input, context: { session } }) => {
    const run = await runOf(session.project.folder, input.run);
    return exportChoices(run, input.method, session.measuredFolds.get(foldKey(run, input.method)));
  }),

  start: on.start.handler(async ({ input, context: { session }, signal }) => {
    const run = await runOf(session.project.folder, input.run);
    return streamOf<ExportUpdate>(
      signal,
      (error) => callError(error, session.log),
      async (push, stopped) => {
        const finished = await runExport(input, run, session, stopped, (stage) =>
          push({ type: 'progress', stage }),
        );
        push(finished);
      },
    );
  }),
};

async function runExport(
  input: StartInput,
  run: RunFolder,
  session: Session,
  signal: AbortSignal,
  onStage: (stage: Extract<ExportUpdate, { type: 'progress' }>['stage']) => void,
): Promise<ExportFinished> {
  const { method, format, mode } = input;
  onStage('loading');
  const target = await targetOf(input, session);
  await readRunReport(run); // Says what is missing before anything is loaded.
  const engine = await engineToGoOn(run);
  const finished = await loadFinishedRun(run, engine, (absolute) =>
    loadInputs(absolute, undefined, signal),
  );
  try {
    const exported = await exportRun(finished, {
      method,
      formats: [format],
      mode,
      target,
      overwrite: true,
      signal,
      onMeasure: () => onStage('measuring'),
      onStage: (_, stage) => onStage(stage),
    });
    const averages = averagesOf(exported, finished.report.tasks, finished.report.methods);
    if (mode === 'static') session.measuredFolds.set(foldKey(run, method), averages);
    return describe(exported, averages, session);
  } finally {
    await finished.inputs.close();
  }
}

function foldKey(run: RunFolder, method: string): string {
  return `${run.folder} ${method}`;
}

/** A folder of its own for every form, so that an export replaces only what an earlier one of it wrote. */
async function targetOf(
  { run, method, format, mode, target }: StartInput,
  session: Session,
): Promise<string> {
  const parent =
    target === undefined ? join(session.project.folder, 'exports') : session.pathOf(target);
  await writing(parent, mkdir(parent, { recursive: true }));
  return join(parent, `${run}-${method}-${mode}-${format}`);
}

function averagesOf(
  { accuracy }: RunExport,
  tasks: readonly string[],
  methods: readonly { id: string; method?: string | undefined; accuracy: Record<string, number> }[],
): Averages {
  const individual = methods.find(({ id, method }) => (method ?? id) === 'individual');
  return {
    average: averageAccuracy(accuracy, tasks),
    normalizedAverage: normalizedAverage(accuracy, individual?.accuracy, tasks),
  };
}

function describe({ results }: RunExport, averages: Averages, session: Session): ExportFinished {
  const [result] = results;
  if (result === undefined) throw new Error('nothing was exported');
  const { path, bytes, files, verification, snippet } = result;
  return {
    type: 'finished',
    location: path,
    place: session.place(path),
    bytes,
    ...averages,
    verification: verdictOf(verification),
    snippet,
    files: files.map(({ name, bytes: size }) => ({ name, bytes: size })),
  };
}

/** Every output is compared; a person wants to know how many there were and how far the worst one is off. */
function verdictOf(checks: RunExport['results'][number]['verification']): string {
  const [files] = checks;
  const outputs = checks.flatMap(({ difference }) => difference ?? []);
  const worst = Math.max(0, ...outputs);
  const equal =
    outputs.length === 0
      ? ''
      : `; ${outputs.length} outputs equal those of the source model (largest difference ${worst.toExponential(1)})`;
  return `Opened again and compared: ${files?.what ?? 'files read back'}${equal}.`;
}
