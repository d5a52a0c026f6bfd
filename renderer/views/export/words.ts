/** Choices of an export in words. */
import type { Report } from '../../../main/api/report.ts';
import type { ExportChoice } from '../../../main/api/exports.ts';
import type { RunCard } from '../../../main/api/runs.ts';

export type ExportStage = 'loading' | 'measuring' | 'writing' | 'verifying' | 'publishing';

/** In the order in which they happen. */
export const stages: readonly { id: ExportStage; title: string; detail: string }[] = [
  {
    id: 'loading',
    title: 'Load',
    detail: 'Reading the base model, the experts and the result of the run',
  },
  {
    id: 'measuring',
    title: 'Measure',
    detail: 'Measuring the accuracy of exactly what is written',
  },
  {
    id: 'writing',
    title: 'Write',
    detail: 'Writing weights, recipe and model card beside the target',
  },
  {
    id: 'verifying',
    title: 'Verify',
    detail: 'Opening the written files again and comparing outputs',
  },
  { id: 'publishing', title: 'Publish', detail: 'Moving the finished folder into place' },
];

export const formatTitles: Readonly<Record<ExportChoice['format'], string>> = {
  safetensors: 'safetensors',
  onnx: 'ONNX',
};

export function choiceKey(choice: Pick<ExportChoice, 'format' | 'mode'>): string {
  return `${choice.mode}/${choice.format}`;
}

/** The recommended choice, else the first one. */
export function preselected(choices: readonly ExportChoice[]): ExportChoice | undefined {
  return choices.find((choice) => choice.recommended) ?? choices[0];
}

/** The finished run to begin with: the newest one that holds a merge. */
export function defaultRun(runs: readonly RunCard[]): RunCard | undefined {
  return runs
    .filter((run) => run.status === 'done' && run.best !== null)
    .sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))[0];
}

/** Merged models of a run, the best first; equals stay in the order of the recipe. */
export function mergesOf(report: Report): Report['methods'] {
  return report.methods
    .filter(({ id, method }) => !['pretrained', 'individual'].includes(method ?? id))
    .sort((a, b) => b.average - a.average);
}

/** Mean accuracy of the individual models over the tasks of the report; null where the run has none. */
export function individualAverage(report: Report): number | null {
  return report.methods.find(({ id, method }) => (method ?? id) === 'individual')?.average ?? null;
}
