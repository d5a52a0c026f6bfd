/** Findings of pre-flight for a person. */
import { AppError } from '../lib/errors.ts';
import type { Finding } from '../merging/planning/findings.ts';
import { paint, type Terminal } from './terminal.ts';

const colours = { error: 'red', warning: 'yellow', info: 'cyan' } as const;

export function renderFinding(
  { severity, title, what, tensors, fix }: Finding,
  terminal: Terminal,
): string {
  const label = paint(terminal.colour, { bold: true, colour: colours[severity] }, severity);
  const more = tensors.count - tensors.examples.length;
  const examples = tensors.examples.join(', ') + (more > 0 ? ` and ${more} more` : '');
  return [
    `${label}: ${title}: ${what}`,
    ...(examples === '' ? [] : [`  tensors: ${examples}`]),
    ...(fix === undefined ? [] : [`  to fix: --fix ${fix}`]),
  ].join('\n');
}

/** The error of a merge that cannot succeed: its first finding, and how many more there are. */
export function refuseFindings(findings: readonly Finding[]): AppError {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  if (first === undefined) throw new Error('a refusal without an error');
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const fix = first.fix === undefined ? '' : `add --fix ${first.fix}, or `;
  return new AppError('merge.preflight', {
    what: `${first.title}: ${first.what}${more}`,
    ...(first.tensors.count === 0 ? {} : { where: `tensor "${first.tensors.examples[0] ?? ''}"` }),
    hint: `${fix}see everything with "mergewright check"`,
  });
}
