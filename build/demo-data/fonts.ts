/**
 * The fonts of the glyph tasks: one regular file per family from the Debian font packages listed in
 * font-packages.json, in groups that never straddle train and test (same package and family stem,
 * or same stem in two packages), with near-identical test fonts dropped.
 * Licences: free font licences (OFL, GPL with font exception, Apache-2.0 and the like); only
 * rendered bitmaps leave this script, no font file.
 */
import { createCanvas, GlobalFonts, type SKRSContext2D } from '@napi-rs/canvas';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readFontFacts } from './font-file.ts';
import { hash32 } from './random.ts';
import { debian, debianSource } from './sources.ts';
import type { Source } from './types.ts';

export type Font = {
  alias: string;
  family: string;
  package: string;
  group: string;
  test: boolean;
  covers: Set<number>;
};

type Candidate = Font & { path: string; rank: number; kana: boolean; latin: boolean };

/** Families larger than this stay in training whole, so that the test fonts stay many designs. */
const BIGGEST_TEST_GROUP = 12;
const TEST_SHARE = 0.2;
/** Mean absolute difference (0..1) of probe glyphs below which two fonts are the same design. */
const SAME_DESIGN = 0.03;
/** The same below which a second training (or test) font adds nothing. */
const SAME_DRAWING = 0.004;

const STYLE_WORDS = new RegExp(
  '\\b(regular|bold|italic|oblique|medium|light|thin|black|heavy|book|roman|condensed|narrow|' +
    'extended|wide|semi|demi|extra|ultra|sans|serif|mono|ui|lt|std|pro|otf|ttf|cond|outline)\\b',
  'g',
);

function stemOf(family: string): string {
  const plain = family
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/[-_]/g, ' ')
    .replace(STYLE_WORDS, ' ')
    .trim();
  const first = plain.split(/\s+/).find((word) => word.length > 0) ?? family.toLowerCase();
  return first.replace(/\d+$/, '') || first;
}

function styleRank(style: string, weight: number): number {
  const text = style.toLowerCase();
  const slanted = /italic|oblique|slant/.test(text) ? 2000 : 0;
  return slanted + Math.abs(weight - 400) + (/regular|roman|book|normal/.test(text) ? 0 : 1);
}

function collect(): Candidate[] {
  const list = new URL('font-packages.json', import.meta.url);
  const names = JSON.parse(readFileSync(list, 'utf8')) as string[];
  const roots = debian(names);
  const best = new Map<string, Candidate>();
  for (const name of names) {
    const folder = join(roots.get(name) ?? '', 'usr', 'share', 'fonts');
    for (const path of fontFiles(folder)) {
      const facts = readFontFacts(path);
      if (facts === undefined) continue;
      const key = `${name}/${facts.family.toLowerCase()}`;
      const rank = styleRank(facts.style, facts.weight);
      const held = best.get(key);
      if (held !== undefined && held.rank <= rank) continue;
      const has = (text: string): boolean =>
        [...text].every((char) => facts.covers.has(char.codePointAt(0) ?? 0));
      best.set(key, {
        alias: '',
        family: facts.family,
        package: name,
        group: '',
        test: false,
        covers: facts.covers,
        path,
        rank,
        kana: has('あいうえおをん'),
        latin: has('AZaz09'),
      });
    }
  }
  return [...best.values()];
}

function fontFiles(folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder, { recursive: true }) as string[];
  } catch {
    return [];
  }
  const files = entries.filter((file) => /\.(ttf|otf)$/i.test(file)).sort();
  return files
    .filter((file) => !/NotoColor|emoji/i.test(basename(file)))
    .map((file) => join(folder, file))
    .filter((path) => existsSync(path)); // absolute links point outside the unpacked tree
}

/** Names each font's group: fonts of one stem, within a package and across packages. */
function group(fonts: Candidate[]): void {
  for (const font of fonts) font.group = stemOf(font.family);
}

/** Marks whole groups as test until the share is reached, kana-bearing groups first. */
function splitGroups(fonts: Candidate[]): void {
  const groups = new Map<string, Candidate[]>();
  for (const font of fonts) groups.set(font.group, [...(groups.get(font.group) ?? []), font]);
  const order = [...groups.keys()].sort((a, b) => hash32(`fonts/${a}`) - hash32(`fonts/${b}`));
  for (const trait of ['kana', 'latin'] as const) {
    const wanted = fonts.filter((font) => font[trait]).length * TEST_SHARE;
    let marked = fonts.filter((font) => font[trait] && font.test).length;
    for (const name of order) {
      const members = groups.get(name) ?? [];
      const gain = members.filter((font) => font[trait]).length;
      if (marked >= wanted || gain === 0 || members.length > BIGGEST_TEST_GROUP) continue;
      if (members.some((font) => font.test)) continue;
      if (trait === 'latin' && members.some((font) => font.kana)) continue;
      for (const font of members) font.test = true;
      marked += gain;
    }
  }
}

let all: Candidate[] | undefined;

/** Every usable font, with its group and side of the split. */
export function loadFonts(): Font[] {
  if (all !== undefined) return all;
  all = collect();
  group(all);
  splitGroups(all);
  all.forEach((font, index) => {
    font.alias = `demo-font-${index}`;
  });
  all = all.filter((font) => GlobalFonts.registerFromPath(font.path, font.alias) !== null);
  console.log(`  ${all.length} font families, ${all.filter((f) => f.test).length} held out`);
  return all;
}

const PROBE = 24;
const probeCanvas = createCanvas(PROBE, PROBE);
const probeContext = probeCanvas.getContext('2d');

export type GlyphBox = { left: number; top: number; width: number; height: number };

/** Ink box of a character at 64 px, or undefined when it draws nothing. */
export function glyphBox(ctx: SKRSContext2D, font: Font, char: string): GlyphBox | undefined {
  ctx.font = `64px "${font.alias}"`;
  ctx.textBaseline = 'alphabetic';
  ctx.textAlign = 'left';
  const m = ctx.measureText(char);
  const width = m.actualBoundingBoxRight + m.actualBoundingBoxLeft;
  const height = m.actualBoundingBoxAscent + m.actualBoundingBoxDescent;
  if (!(width > 1 && height > 1 && width < 400 && height < 400)) return undefined;
  return { left: -m.actualBoundingBoxLeft, top: -m.actualBoundingBoxAscent, width, height };
}

/** Ink of a glyph fitted in a 24x24 square, or undefined when blank. */
function probe(font: Font, char: string): Float32Array | undefined {
  const ctx = probeContext;
  const box = glyphBox(ctx, font, char);
  if (box === undefined) return undefined;
  const scale = (PROBE - 4) / Math.max(box.width, box.height);
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.fillStyle = '#000';
  ctx.fillRect(0, 0, PROBE, PROBE);
  ctx.translate(PROBE / 2, PROBE / 2);
  ctx.scale(scale, scale);
  ctx.fillStyle = '#fff';
  ctx.fillText(char, -box.left - box.width / 2, -box.top - box.height / 2);
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  const { data } = ctx.getImageData(0, 0, PROBE, PROBE);
  const ink = Float32Array.from({ length: PROBE * PROBE }, (_, i) => (data[i * 4] ?? 0) / 255);
  const sum = ink.reduce((total, value) => total + value, 0);
  return sum < 6 ? undefined : ink;
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += Math.abs((a[i] ?? 0) - (b[i] ?? 0));
  return sum / a.length;
}

/**
 * The train and test fonts for a set of characters: those that cover and draw all of them legibly
 * (nearest mean glyph right for a good part of them: picture fonts fail), each design once, and no
 * test font whose probe glyphs are near-identical to a training font's.
 */
export function fontsFor(chars: string[], probes: string[]): { train: Font[]; test: Font[] } {
  const codes = chars.map((char) => char.codePointAt(0) ?? 0);
  const drawn: { font: Font; inks: Float32Array[] }[] = [];
  for (const font of loadFonts()) {
    if (!codes.every((code) => font.covers.has(code))) continue;
    const inks = chars.map((char) => probe(font, char));
    if (inks.every((ink) => ink !== undefined)) drawn.push({ font, inks });
  }
  const means = chars.map((_, c) => {
    const mean = new Float32Array(PROBE * PROBE);
    for (const { inks } of drawn) inks[c]?.forEach((v, i) => (mean[i] = (mean[i] ?? 0) + v));
    return mean.map((value) => value / drawn.length);
  });
  const legible = drawn.filter(({ inks }) => {
    const right = inks.filter((ink, c) => {
      const own = distance(ink, means[c] ?? ink);
      const closer = means.filter((mean) => distance(ink, mean) < own).length;
      return closer <= 3;
    });
    return right.length >= chars.length * 0.3;
  });
  const probeAt = probes.map((char) => chars.indexOf(char));
  const kept: typeof drawn = [];
  let leaks = 0;
  let twins = 0;
  for (const side of [false, true]) {
    for (const entry of legible.filter(({ font }) => font.test === side)) {
      const twin = kept.find(({ inks, font }) => {
        const limit = font.test === side ? SAME_DRAWING : SAME_DESIGN;
        let sum = 0;
        for (const at of probeAt) {
          sum += distance(inks[at] as Float32Array, entry.inks[at] as Float32Array);
          if (sum >= limit * probeAt.length) return false;
        }
        return true;
      });
      if (twin === undefined) kept.push(entry);
      else if (twin.font.test !== side) leaks += 1;
      else twins += 1;
    }
  }
  const pick = (test: boolean): Font[] => kept.map((e) => e.font).filter((f) => f.test === test);
  const result = { train: pick(false), test: pick(true) };
  console.log(
    `  ${drawn.length} families cover it, ${drawn.length - legible.length} illegible, ` +
      `${twins} twins, ${leaks} test look-alikes dropped: ` +
      `${result.train.length} train and ${result.test.length} test fonts`,
  );
  return result;
}

/** Where the copyright file's own short name says nothing to a reader. */
const FONT_CREDITS: Record<string, [author: string | undefined, licence: string]> = {
  'fonts-aenigma': [
    'Brian Kent',
    'custom permissive: use, change and redistribute with attribution',
  ],
  'fonts-misaki': ['Num Kadoma', 'custom permissive: unlimited use, change and redistribution'],
  'fonts-tuffy': [undefined, 'public domain'],
};

/** One source entry per Debian package used. */
export function fontSources(fonts: readonly Font[]): Source[] {
  const names = [...new Set(fonts.map((font) => font.package))].sort();
  return names.map((name) => debianSource(name, ...(FONT_CREDITS[name] ?? [])));
}

export function fontTag(font: Font): string {
  return `font:${font.package}/${font.family}|fontgroup:${font.group}`;
}
