/** Where a merged model comes from, for its header, its report and its card. No time, no path: equal merges give equal files. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseDocument } from 'yaml';
import type { StoredCheckpoint } from '../../checkpoints/checkpoint.ts';
import type { MergePlan } from '../plan.ts';
import { flatSettings } from '../settings.ts';
import type { Parent, ParentFile } from './parent-hashes.ts';

export interface Provenance {
  readonly plan: MergePlan;
  readonly version: string;
  readonly parents: readonly Parent[];
}

function recipeSha256({ recipe }: MergePlan): string {
  return createHash('sha256').update(recipe).digest('hex');
}

/** For the header of every weight file. transformers refuses files that do not say `format: pt`. */
export function fileMetadata({ plan, version, parents }: Provenance): ReadonlyMap<string, string> {
  return new Map([
    ['format', 'pt'],
    ['producer', 'mergewright'],
    ['producer_version', version],
    ['method', plan.method.id],
    ['recipe_sha256', recipeSha256(plan)],
    ['seed', String(plan.seed)],
    ['parents', JSON.stringify(parents)],
  ]);
}

/** `mergewright.json`, for programs. */
export function mergeReport(provenance: Provenance, files: readonly ParentFile[]): string {
  const { plan, version, parents } = provenance;
  const kinds = { merge: 0, cast: 0, copy: 0 };
  for (const { kind } of plan.tensors) kinds[kind]++;
  const report = {
    format: 1,
    producer: 'mergewright',
    version,
    method: { id: plan.method.id, title: plan.method.title, paper: plan.method.paper.url },
    parameters: flatSettings(plan.method, plan.settings),
    seed: plan.seed,
    recipe_sha256: recipeSha256(plan),
    tensors: { merged: kinds.merge, converted: kinds.cast, copied: kinds.copy },
    parents,
    files,
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}

/** README.md, for people and for the Hugging Face hub. */
export async function mergeCard(
  provenance: Provenance,
  files: readonly ParentFile[],
): Promise<string> {
  const { plan, parents } = provenance;
  const { method } = plan;
  const licences = await Promise.all(plan.checkpoints.map(licenceOf));
  const parameters = Object.entries(flatSettings(method, plan.settings)).map(([name, value]) => [
    `\`${name}\``,
    Array.isArray(value) ? value.join(', ') : String(value),
  ]);
  const sections = [
    frontMatter(parents, method.id),
    '# Merged model',
    `Made by ${line(method.title)} (\`${method.id}\`) from ${parents.length} checkpoints: ${method.summary} See [${line(method.paper.title)}](${method.paper.url}).`,
    `\`${method.formula}\``,
    ...(parameters.length === 0 ? [] : [table(['parameter', 'value'], parameters)]),
    'The whole recipe is in `recipe.yaml`; run again on the same parents it gives the same bytes. Values were merged in fp64, rounded to fp32 and then once, to nearest even, to the type they are stored in.',
    '## Parents',
    table(
      ['checkpoint', 'file', 'bytes', 'SHA-256'],
      parents.flatMap(({ name, files: own }) => own.map((file) => [name, ...fileCells(file)])),
    ),
    '## Licences',
    table(
      ['checkpoint', 'licence its card names'],
      parents.map(({ name }, index) => [name, licences[index] ?? 'none; ask its author']),
    ),
    'A merged model is a derivative of all its parents: the terms of each of them hold for it too.',
    '## Files',
    table(['file', 'bytes', 'SHA-256'], files.map(fileCells)),
  ];
  return `${sections.join('\n\n')}\n`;
}

function frontMatter(parents: readonly Parent[], method: string): string {
  const names = [...new Set(parents.map(({ name }) => name))];
  const lines = [
    'base_model:',
    ...names.map((name) => `  - ${JSON.stringify(name)}`),
    'base_model_relation: merge',
    'tags:',
    '  - merge',
    '  - mergewright',
    `  - ${method}`,
  ];
  return ['---', ...lines, '---'].join('\n');
}

function fileCells({ name, bytes, sha256 }: ParentFile): string[] {
  return [`\`${name}\``, String(bytes), `\`${sha256}\``];
}

/** Text from elsewhere on one line, with nothing that ends a table cell. */
function line(text: string): string {
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;').trim();
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.map(line).join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}

const longestCard = 1 << 20;

/** What the card beside a checkpoint says; undefined where there is none that can be understood. */
async function licenceOf({ source }: StoredCheckpoint): Promise<string | undefined> {
  const [file] = source.files;
  if (file === undefined) return undefined;
  const text = await readFile(join(dirname(file), 'README.md'), 'utf8').catch(() => '');
  const matter = /^---\r?\n([\s\S]*?)\r?\n---/.exec(text.slice(0, longestCard))?.[1];
  if (matter === undefined) return undefined;
  const document = parseDocument(matter);
  if (document.errors.length > 0) return undefined;
  const licence: unknown = document.get('license');
  return typeof licence === 'string' ? licence.slice(0, 100) : undefined;
}
