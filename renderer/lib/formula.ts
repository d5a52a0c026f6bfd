/** Formulas of methods, as their records write them in plain text ("θ = θ0 + λ Σ (θk − θ0)"), cut into what is typeset. */

export type FormulaPart =
  | { readonly kind: 'name'; readonly base: string; readonly hat: boolean; readonly index: string }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'words'; readonly text: string }
  | { readonly kind: 'operator'; readonly text: string }
  | { readonly kind: 'sum' }
  | { readonly kind: 'fraction'; readonly top: string; readonly bottom: string };

/** A letter with an optional hat (a combining circumflex) and an index of one letter or digit. */
const greek = /^([α-ωΑ-ΡΤ-Ω])(\u0302)?([0-9kijK])?/u;
const fraction = /^\(([0-9A-Za-z])\/([0-9A-Za-z])\)/u;
const words = /^\p{Script=Latin}{2,}(?: \p{Script=Latin}{2,})*/u;
const letter = /^\p{Script=Latin}/u;
const number = /^\d+(?:\.\d+)?/u;

function next(text: string): [part: FormulaPart, length: number] {
  const named = greek.exec(text);
  if (named !== null) {
    const [all, base = '', hat, index = ''] = named;
    return [{ kind: 'name', base, hat: hat !== undefined, index }, all.length];
  }
  const divided = fraction.exec(text);
  if (divided !== null) {
    const [all, top = '', bottom = ''] = divided;
    return [{ kind: 'fraction', top, bottom }, all.length];
  }
  if (text.startsWith('Σ')) return [{ kind: 'sum' }, 1];
  const phrase = words.exec(text)?.[0];
  if (phrase !== undefined) return [{ kind: 'words', text: phrase }, phrase.length];
  const single = letter.exec(text)?.[0];
  if (single !== undefined) {
    return [{ kind: 'name', base: single, hat: false, index: '' }, single.length];
  }
  const digits = number.exec(text)?.[0];
  if (digits !== undefined) return [{ kind: 'number', text: digits }, digits.length];
  const [symbol = ''] = text;
  return [{ kind: 'operator', text: symbol }, symbol.length];
}

function parse(line: string): FormulaPart[] {
  const parts: FormulaPart[] = [];
  let rest = line.trim();
  while (rest !== '') {
    const [part, length] = next(rest);
    parts.push(part);
    rest = rest.slice(length).trimStart();
  }
  return parts;
}

/** The lines of a formula: commas outside of brackets divide them. */
export function parseFormula(formula: string): FormulaPart[][] {
  const lines: string[] = [];
  let depth = 0;
  let line = '';
  for (const symbol of formula) {
    if ('({['.includes(symbol)) depth++;
    if (')}]'.includes(symbol)) depth--;
    if (symbol === ',' && depth === 0) {
      lines.push(line);
      line = '';
    } else {
      line += symbol;
    }
  }
  return [...lines, line].map(parse).filter((parts) => parts.length > 0);
}
