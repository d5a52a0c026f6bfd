/** Which class of a task a class of a source is: by name where names are known on both sides, else by place. */
import { AppError } from '../../lib/errors.ts';
import type { ImageSource } from './source.ts';

/** Names alike but for case and the signs between words are the same. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/[\s_\-./]+/g, ' ')
    .trim();
}

export interface ClassifiedSource {
  readonly classNames: readonly string[];
  readonly labels: Int32Array;
}

/**
 * Labels of `source` as indices into the `wanted` classes of its task, or as they are without any. Throws
 * `data.labels_missing` or `data.classes_differ`.
 */
export function classified(
  { classNames: found, labels }: Pick<ImageSource, 'classNames' | 'labels'>,
  wanted: readonly string[] | undefined,
  where: string,
): ClassifiedSource {
  if (labels === undefined) {
    throw new AppError('data.labels_missing', {
      what: 'the image set has no labels, so accuracy cannot be measured on it',
      where,
      hint: 'choose a set with labels to measure on; images without labels can be adapted to',
    });
  }
  if (wanted === undefined) return { classNames: found, labels };
  const places = new Map(wanted.map((name, index) => [plain(name), index]));
  const matches = found.map((name) => places.get(plain(name)));
  const named = matches.flatMap((match, index) => (match === undefined ? [] : [{ match, index }]));
  // Benchmarks word some classes in their own way, or number their folders. Then the order is all there is to go
  // by, as long as no name that both sides know contradicts it.
  const inOrder = named.every(({ match, index }) => match === index);
  if (found.length === wanted.length && inOrder) return { classNames: wanted, labels };
  if (named.length === 0) {
    throw differ(where, `it has ${found.length} classes, the task has ${wanted.length}`);
  }
  const extra = found.filter((_, index) => matches[index] === undefined);
  const missing = wanted.filter((name) => !found.some((each) => plain(each) === plain(name)));
  if (extra.length > 0 || missing.length > 0 || new Set(matches).size < found.length) {
    const parts = [
      ...(extra.length > 0 ? [`classes the task does not have: ${listed(extra)}`] : []),
      ...(missing.length > 0 ? [`classes that are missing: ${listed(missing)}`] : []),
    ];
    throw differ(where, parts.length === 0 ? 'two of its classes are the same' : parts.join('; '));
  }
  return { classNames: wanted, labels: labels.map((label) => matches[label] ?? 0) };
}

function listed(names: readonly string[]): string {
  const most = 5;
  const shown = names.slice(0, most).map((name) => `"${name}"`);
  return names.length > most
    ? `${shown.join(', ')} and ${names.length - most} more`
    : shown.join(', ');
}

function differ(where: string, what: string): AppError {
  return new AppError('data.classes_differ', {
    what: `the classes of the image set are not those of its task: ${what}`,
    where,
    hint: 'name the class folders as the task names its classes; a class without images is an empty folder',
  });
}
