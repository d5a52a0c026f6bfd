/** Shows a run in a terminal: what is going on while it runs, table and heatmap when it is done. */
import type { ChosenEngine } from '../engine/choice.ts';
import { describeEngine } from '../engine/describe.ts';
import type { ExportFormat, ExportStage } from '../exporting/export.ts';
import { formats } from '../exporting/export.ts';
import { summariseRouting } from '../routing/summary.ts';
import type { RunEvent } from '../runs/events.ts';
import type { LoadProgress } from '../runs/inputs.ts';
import type { JobOptions } from '../runs/job.ts';
import { loadMethodResult } from '../runs/method-result.ts';
import type { Recipe, RecipeMethod } from '../runs/recipe.ts';
import { locateReport, type Report } from '../runs/report.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import type { MethodProgress } from '../runs/run-method.ts';
import { renderHeatmap } from './heatmap.ts';
import type { Progress } from './progress.ts';
import { renderCurve } from './sparkline.ts';
import { renderResults } from './table.ts';
import { collapseText } from './collapse.ts';
import { smallerBatchText, smallerCallsText } from './smaller-calls.ts';
import { padEnd, type Terminal } from './terminal.ts';

const verbs = {
  merging: 'merging',
  preparing: 'preparing',
  adapting: 'adapting',
  evaluating: 'evaluating',
} as const;
const stages = { writing: 'writing', verifying: 'verifying', publishing: 'moving into place' };

/** Callbacks for a job that keep `progress` up to date. */
export function watchJob(
  progress: Progress,
  recipe: Recipe,
  engine: ChosenEngine,
): Pick<JobOptions, 'onLoad' | 'onEvent' | 'onProgress' | 'onExport'> {
  progress.log(
    `${recipe.name}: ${String(recipe.tasks.length)} tasks, ${String(recipe.methods.length)} methods`,
  );
  const { threads, precision } = engine.description;
  const kept = precision === 'fp32' ? '' : `, ${precision}`;
  progress.log(
    `Engine: ${describeEngine(engine.description)}, ${String(threads)} threads${kept} (${engine.reason})`,
  );
  let current = '';
  const losses: number[] = [];
  const show = (what: string, done: number, total: number, unit: string, note = '') => {
    if (what !== current) progress.start(what, total, unit);
    current = what;
    progress.update(done, note);
  };
  return {
    onLoad: ({ what, done, total }: LoadProgress) => {
      show('Loading', done, total, 'inputs', done === total ? '' : what);
    },
    onProgress: ({ id }: RecipeMethod, { phase, done, total, unit, loss }: MethodProgress) => {
      if (loss !== undefined) losses.push(loss);
      const last = phase === 'adapting' && done === total;
      const note = last ? renderCurve('loss', losses, 48) : loss && `loss ${loss.toFixed(3)}`;
      show(`${padEnd(id, 16)} ${verbs[phase]}`, done, total, unit, note || '');
    },
    onEvent: (event: RunEvent) => {
      if (event.type === 'method.started') losses.length = 0;
      if (event.type === 'adaptation.collapsed') {
        progress.log(`${padEnd(event.method, 16)} ${collapseText(event)}`);
      }
      if (event.type === 'adaptation.smaller_calls') {
        progress.log(`${padEnd(event.method, 16)} ${smallerCallsText(event)}`);
      }
      if (event.type === 'evaluation.smaller_batch') {
        progress.log(`${padEnd(event.method, 16)} ${smallerBatchText(event)}`);
      }
    },
    onExport: (format: ExportFormat, stage: ExportStage) => {
      show(`Exporting ${formats[format].title}`, 0, 0, 'files', stages[stage]);
    },
  };
}

/** Table, heatmap of the best routed merge, and where everything lies. */
export async function presentRun(
  run: RunFolder,
  relativeReport: Report,
  terminal: Terminal,
): Promise<{ text: string; json: Report }> {
  const report = locateReport(relativeReport, run.folder);
  const parts = [renderResults(report, terminal)];
  const heatmap = await routingHeatmap(run, report, terminal);
  if (heatmap !== undefined) parts.push(heatmap);
  parts.push(
    [
      `Run       ${report.run}`,
      ...(report.exported === null ? [] : [`Exported  ${report.exported}`]),
    ].join('\n'),
  );
  return { text: parts.join('\n\n'), json: report };
}

async function routingHeatmap(
  run: RunFolder,
  report: Report,
  terminal: Terminal,
): Promise<string | undefined> {
  const routed = [...report.methods]
    .filter(({ reduction, parameters }) => reduction && parameters?.['router_layers'] !== 0)
    .sort((a, b) => b.average - a.average);
  const best = routed[0];
  if (best === undefined) return undefined;
  const result = await loadMethodResult(run, best.id);
  const routing = new Map(
    report.tasks.flatMap((task) => {
      const lambdas = result?.routing.get(task);
      return lambdas === undefined ? [] : [[task, lambdas] as const];
    }),
  );
  if (routing.size === 0) return undefined;
  const centre = best.parameters?.['lambda'];
  return renderHeatmap(
    {
      title: `Routing weights of ${best.title}: mean over the test images of each task`,
      tasks: report.tasks,
      experts: report.taskDetails.filter(({ unseen }) => unseen !== true).map(({ id }) => id),
      lambda: summariseRouting(routing).mean,
      ...(typeof centre === 'number' ? { centre } : {}),
    },
    terminal,
  );
}
