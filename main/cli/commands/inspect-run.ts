import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readEvents, type RunEvent } from '../../runs/events.ts';
import { openProject } from '../../runs/project.ts';
import { locateReport, parseReport, type Report } from '../../runs/report.ts';
import {
  listRuns,
  openRun,
  readRunRecipe,
  runStatus,
  type RunFolder,
} from '../../runs/run-folder.ts';
import type { CommandContext, CommandResult } from '../command.ts';
import { renderRows } from '../rows.ts';
import { renderCurve } from '../sparkline.ts';
import { renderResults } from '../table.ts';

/** What a run folder holds: status, progress, and the results once they are there. */
export async function inspectRun(
  path: string,
  { terminal }: CommandContext,
): Promise<CommandResult> {
  const run = await openRun(path);
  const { record, status } = await runStatus(run);
  const { recipe } = await readRunRecipe(run);
  const events = await readEvents(run.eventsPath);
  const report = await readReport(run);
  const rows: [string, string][] = [
    ['run', run.id],
    ['path', run.folder],
    ['status', record.message === undefined ? status : `${status}: ${record.message}`],
    ['recipe', recipe.name],
    ['tasks', recipe.tasks.map(({ id }) => id).join(', ')],
    [
      'methods',
      methodsText(
        recipe.methods.map(({ id }) => id),
        events,
      ),
    ],
  ];
  if (report !== undefined && report.exported !== null) rows.push(['exported', report.exported]);
  const sections = [renderRows(rows)];
  const curves = lossCurves(events).map(([method, losses]) =>
    renderCurve(`loss ${method}`, losses, terminal.width),
  );
  if (curves.length > 0) sections.push(curves.join('\n'));
  if (report !== undefined) sections.push(renderResults(report, terminal));
  return {
    text: sections.join('\n\n'),
    json: {
      kind: 'run',
      id: run.id,
      path: run.folder,
      status,
      record,
      recipe,
      report: report ?? null,
    },
  };
}

async function readReport(run: RunFolder): Promise<Report | undefined> {
  if (!existsSync(run.reportPath)) return undefined;
  return locateReport(
    parseReport(await readFile(run.reportPath, 'utf8'), run.reportPath),
    run.folder,
  );
}

function methodsText(methods: readonly string[], events: readonly RunEvent[]): string {
  const finished = new Set(
    events.flatMap((event) => (event.type === 'method.finished' ? [event.method] : [])),
  );
  return methods.map((id) => (finished.has(id) ? id : `${id} (not finished)`)).join(', ');
}

function lossCurves(events: readonly RunEvent[]): [method: string, losses: number[]][] {
  const curves = new Map<string, number[]>();
  for (const event of events) {
    if (event.type !== 'adaptation.step') continue;
    const curve = curves.get(event.method) ?? [];
    curve.push(event.loss);
    curves.set(event.method, curve);
  }
  return [...curves];
}

/** The runs of a project. */
export async function inspectProject(path: string): Promise<CommandResult> {
  await openProject(path);
  const runs = await listRuns(path);
  const rows = runs.map(({ run, record, status }): [string, string] => [
    run.id,
    `${status}, ${record.changedAt}`,
  ]);
  return {
    text: runs.length === 0 ? 'The project has no runs yet.' : renderRows(rows),
    json: {
      kind: 'project',
      path: resolve(path),
      runs: runs.map(({ run, record, status }) => ({ path: run.folder, ...record, status })),
    },
  };
}
