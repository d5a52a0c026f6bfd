/**
 * Builds the demo benchmark: eight small 32x32 tasks and the pre-training pool outside them.
 *
 *   npx tsx build/demo-data/build.ts [--only mnist,emoji] [--out <tasks folder for the tests>]
 *                                    [--update-versions] [--check]
 *
 * Test splits go to assets/demo/tasks/<id>, training splits and the pool to .cache/demo. At the
 * end everything built so far is checked for leaks; `--check` runs that check alone.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkLeaks } from './leak-check.ts';
import { writeSplit } from './sheets.ts';
import { CACHE, ROOT } from './sources.ts';
import { buildEmoji, buildEmojiConcepts } from './sets/emoji.ts';
import { buildFashion, buildMnist } from './sets/idx.ts';
import { buildKana, buildLetters } from './sets/letters.ts';
import { buildCards, buildClipart, buildFlags } from './sets/pictures.ts';
import { buildPlanets, buildTerrain } from './sets/planets.ts';
import { buildScripts } from './sets/scripts.ts';
import { buildOtherSigns, buildSigns } from './sets/signs.ts';
import { buildStreetDigits } from './sets/streetdigits.ts';
import type { BuiltSplit, SetBuilder } from './types.ts';

const BUILDERS: SetBuilder[] = [
  { id: 'mnist', build: buildMnist },
  { id: 'fashion', build: buildFashion },
  { id: 'streetdigits', build: buildStreetDigits },
  { id: 'planets', build: buildPlanets },
  { id: 'letters', build: buildLetters },
  { id: 'kana', build: buildKana },
  { id: 'signs', build: buildSigns },
  { id: 'emoji', build: buildEmoji },
  { id: 'scripts', build: buildScripts },
  { id: 'emoji-concepts', build: buildEmojiConcepts },
  { id: 'other-signs', build: buildOtherSigns },
  { id: 'flags', build: buildFlags },
  { id: 'cards', build: buildCards },
  { id: 'clipart', build: buildClipart },
  { id: 'terrain', build: buildTerrain },
];

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

const testFolder = option('out') ?? join(ROOT, 'assets', 'demo', 'tasks');

function folderOf(built: BuiltSplit): string {
  if (built.kind === 'pretraining') return join(CACHE, 'pretraining', built.id);
  return built.split === 'test' ? join(testFolder, built.id) : join(CACHE, 'tasks', built.id);
}

/** Fails on what a reader of the sheets must be able to rely on. */
function verify(built: BuiltSplit): void {
  const where = `${built.id}/${built.split}`;
  if (built.pixels.length !== built.labels.length) throw new Error(`${where}: labels missing`);
  const counts = new Array<number>(built.classes.length).fill(0);
  for (const label of built.labels) counts[label] = (counts[label] ?? 0) + 1;
  const low = Math.min(...counts);
  if (low === 0 || counts.length !== built.classes.length) throw new Error(`${where}: empty class`);
  if (new Set(built.classes).size !== counts.length) throw new Error(`${where}: class names twice`);
  if (built.split === 'test' && low !== Math.max(...counts)) {
    throw new Error(`${where}: test classes are not balanced`);
  }
  const blank = built.pixels.filter((tile) => tile.every((value) => value === tile[0])).length;
  if (blank > 0) throw new Error(`${where}: ${blank} blank tiles`);
}

async function main(): Promise<void> {
  const only = option('only')?.split(',');
  const unknown = only?.filter((id) => !BUILDERS.some((builder) => builder.id === id)) ?? [];
  if (unknown.length > 0) throw new Error(`unknown sets: ${unknown.join(', ')}`);
  const chosen = process.argv.includes('--check')
    ? []
    : BUILDERS.filter((builder) => only === undefined || only.includes(builder.id));
  const provenance = join(CACHE, 'provenance');
  mkdirSync(provenance, { recursive: true });
  for (const { id, build } of chosen) {
    const started = Date.now();
    console.log(`${id}:`);
    for (const built of await build()) {
      verify(built);
      const bytes = await writeSplit(folderOf(built), built);
      writeFileSync(
        join(provenance, `${built.id}-${built.split}.json`),
        JSON.stringify({ folder: folderOf(built), split: built.split, groups: built.groups ?? [] }),
      );
      const size = `${(bytes / 1e6).toFixed(2)} MB`;
      console.log(
        `  ${built.split}: ${built.labels.length} images, ${built.classes.length} classes, ${size}`,
      );
    }
    console.log(`  ${((Date.now() - started) / 1000).toFixed(0)} s`);
  }
  await checkLeaks(provenance);
}

await main();
