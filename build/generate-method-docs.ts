/**
 * Writes docs/methods.md, one row for each method, from the records. Run
 * `npx tsx build/generate-method-docs.ts` after a record has changed; a test fails when it was forgotten.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AdaptiveMethod } from '../main/adaptation/method.ts';
import { adaptiveMethods } from '../main/adaptation/methods.ts';
import { statisticsMethods } from '../main/adaptation/statistics/methods.ts';
import { defaultText, describeRange, type Parameter } from '../main/lib/parameters.ts';
import { methods } from '../main/merging/index.ts';
import {
  families,
  variants,
  type FamilyId,
  type Method,
  type VariantId,
} from '../main/merging/method.ts';

export const docsFile = new URL('../docs/methods.md', import.meta.url);

const intro = `# Methods of merging

Written by \`build/generate-method-docs.ts\` from the records in \`main/merging/methods/\` and \`main/adaptation/\`; do not edit.

θ0 is the base model, θk the k-th of K experts, τk = θk − θ0 its task vector. Everything is computed in fp64 and
rounded once. "Defaults follow" says whose rules hold where implementations of a method differ; the list of parameters
below each table says what to set for another's. A mergekit file is read with the rules of mergekit.
Methods that draw at random decide by seed, tensor name, expert and index alone, so that the same recipe drops the
same values whatever the threads, shards or memory.`;

/** The text the file should have. */
export function methodDocs(): string {
  const sections = (Object.keys(families) as FamilyId[])
    .map((family) => [family, methods.filter((method) => method.family === family)] as const)
    .filter(([, own]) => own.length > 0)
    .map(([family, own]) => section(families[family], own));
  const adaptive = adaptiveMethods.filter(({ parameters }) => parameters['steps'] !== undefined);
  const others = adaptiveMethods.filter((method) => !adaptive.includes(method));
  const images = [
    imageSection('Learning on unlabelled images', adaptive),
    imageSection('Routing without learning', others),
    imageSection('Statistics of unlabelled images', statisticsMethods),
  ];
  return [intro, ...sections, imageIntro, ...images, ''].join('\n\n').trimEnd() + '\n';
}

function section(title: string, own: readonly Method[]): string {
  const rows = own.map((method) => [
    `\`${method.id}\`<br>${method.title}`,
    method.summary,
    `\`${method.formula}\``,
    `[${method.paper.title}](${method.paper.url})`,
    method.follows ?? 'the paper',
    inputs(method),
  ]);
  const header = ['method', 'what it does', 'formula', 'source', 'defaults follow', 'needs'];
  const lines = [header, header.map(() => '---'), ...rows].map(tableRow);
  return [`## ${title}`, lines.join('\n'), ...own.flatMap(settings)].join('\n\n');
}

const imageIntro = `# Methods of runs

These are chosen in recipes of runs, over a CLIP vision encoder and tasks with images. Their arithmetic is fp32. None sees a
label; λ of dynamic methods are chosen for every image, and reports say how large such a model is.`;

type ImageMethod = Pick<
  AdaptiveMethod,
  'id' | 'title' | 'summary' | 'formula' | 'paper' | 'parameters'
>;

function imageSection(title: string, own: readonly ImageMethod[]): string {
  const rows = own.map(({ id, title: name, summary, formula, paper }) => [
    `\`${id}\`<br>${name}`,
    summary,
    `\`${formula}\``,
    `[${paper.title}](${paper.url})`,
  ]);
  const header = ['method', 'what it does', 'formula', 'source'];
  const lines = [header, header.map(() => '---'), ...rows].map(tableRow);
  const lists = own.map(({ title: name, parameters }) =>
    [`**${name}**`, parameterLines(Object.entries(parameters)).join('\n')].join('\n\n'),
  );
  return [`## ${title}`, lines.join('\n'), ...lists].join('\n\n');
}

function parameterLines(entries: readonly (readonly [string, Parameter, string?])[]): string[] {
  return entries.map(
    ([key, parameter, each = '']) =>
      `- \`${key}\`${each} (${describeRange(parameter)}; ${defaultText(parameter)}): ${parameter.help}`,
  );
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function inputs({ inputs: { base, experts } }: Method): string {
  const bases = { required: 'base', optional: 'base if there is one', unused: '' };
  const { min, max } = experts;
  const count = max === min ? `${min}` : `${min} or more`;
  const noun = `${count} expert${count === '1' ? '' : 's'}`;
  return bases[base] === '' ? noun : `${bases[base]}, ${noun}`;
}

/** The parameters of a method, and what to set for the rules of others. */
function settings(method: Method): string[] {
  const shared = Object.entries(method.parameters);
  const own = Object.entries(method.perExpert);
  const rows = parameterLines([
    ...shared,
    ...own.map((row) => [...row, ', for each expert'] as const),
  ]);
  const others = Object.entries(method.variants ?? {}).map(([variant, values]) => {
    const given = Object.entries(values).map(([key, value]) => `\`${key}: ${String(value)}\``);
    return `- as in ${variants[variant as VariantId]}: ${given.join(', ')}`;
  });
  const all = [...rows, ...others];
  return all.length === 0 ? [] : [`**${method.title}**`, all.join('\n')];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(docsFile, methodDocs());
