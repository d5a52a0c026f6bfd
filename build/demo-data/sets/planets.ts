/**
 * Planets-15 (stands for EuroSAT): crops of surface maps of fifteen bodies; test crops come from
 * two whole longitude sectors of each map. And the pre-training set "terrain": sectors of other
 * bodies' maps and crops of the training photographs. Real data with flips, turns and light.
 * Source: Debian package stellarium-data; maps of NASA, USGS and JPL, public domain or free with
 * credit (its copyright file, sections 4.4, 4.5d-g, 4.24 and 10.3). Phobos is replaced by
 * Enceladus, whose map the package lists as public domain.
 */
import { join } from 'node:path';
import sharp from 'sharp';
import { degrade, drawTile, type Rgb } from '../canvas.ts';
import { loadPhotos, paintPhoto, photoSources } from '../photos.ts';
import { rngFor, type Rng } from '../random.ts';
import { debianOne, debianSource } from '../sources.ts';
import { SplitBuffer, TILE, TILE_BYTES, type BuiltSplit } from '../types.ts';

const BODIES = [
  ...['mercury', 'moon', 'mars', 'ganymede', 'rhea', 'dione', 'tethys', 'ariel', 'miranda'],
  ...['oberon', 'titania', 'pluto', 'charon', 'ceres', 'enceladus'],
];
const OTHER_BODIES = [
  ...['earthmap', 'mimas', 'umbriel', 'titan', 'vesta', 'deimos', 'eros', 'phobos'],
  ...['jupiter', 'saturn'],
];
/** Bodies without landmarks by longitude: one class each. */
const ZONAL = new Set(['titan', 'jupiter', 'saturn']);
const PER_CLASS = { train: 800, test: 68 };
const TEST_SECTORS = new Set([2, 6]);
const SECTORS = 8;
const SECTOR_WIDTH = 64;
const [TOP, BOTTOM] = [43, 213]; // plus or minus 60 degrees of latitude
const POOL_PER_SECTOR = 24;
const POOL_PER_SCENE = 120;

type Map512 = Uint8Array;

async function loadMap(body: string): Promise<Map512> {
  const root = debianOne('stellarium-data');
  return sharp(join(root, 'usr/share/stellarium/textures', `${body}.png`))
    .removeAlpha()
    .toColourspace('srgb')
    .resize(512, 256, { fit: 'fill' })
    .raw()
    .toBuffer();
}

/** A 32x32 crop within one sector, flipped or turned, with light and colour changes. */
function crop(rng: Rng, map: Map512, sector: number): Uint8Array {
  const left = sector * SECTOR_WIDTH + rng.int(SECTOR_WIDTH - TILE + 1);
  const top = TOP + rng.int(BOTTOM - TOP - TILE + 1);
  const [flipX, flipY, swap] = [rng.chance(0.5), rng.chance(0.5), rng.chance(0.5)];
  const tile = new Uint8Array(TILE_BYTES);
  for (let y = 0; y < TILE; y += 1) {
    for (let x = 0; x < TILE; x += 1) {
      const [a, b] = swap ? [y, x] : [x, y];
      const from = (top + (flipY ? TILE - 1 - b : b)) * 512 + left + (flipX ? TILE - 1 - a : a);
      for (let c = 0; c < 3; c += 1) tile[(y * TILE + x) * 3 + c] = map[from * 3 + c] ?? 0;
    }
  }
  const cast: Rgb = [rng.range(0.92, 1.08), rng.range(0.92, 1.08), rng.range(0.92, 1.08)];
  return degrade(tile, rng, { light: rng.range(0.85, 1.15), cast });
}

/** Share of a crop's pixels that are black: maps have unmapped parts. */
function unmapped(tile: Uint8Array): number {
  let dark = 0;
  let [low, high] = [255, 0];
  for (let i = 1; i < tile.length; i += 3) {
    const value = tile[i] ?? 0;
    if (value < 6) dark += 1;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high - low < 8 ? 1 : dark / (tile.length / 3);
}

/** The first crop of a stream that shows surface; undefined when the sectors are empty. */
function surfaceCrop(
  key: string,
  map: Map512,
  sectors: number[],
): { tile: Uint8Array; sector: number } | undefined {
  for (let tries = 0; tries < 60; tries += 1) {
    const rng = rngFor(`${key}/${tries}`);
    const sector = rng.pick(sectors);
    const tile = crop(rng, map, sector);
    if (unmapped(tile) < 0.1) return { tile, sector };
  }
  return undefined;
}

function titled(body: string): string {
  return body === 'earthmap' ? 'Earth' : body.charAt(0).toUpperCase() + body.slice(1);
}

const source = () =>
  debianSource(
    'stellarium-data',
    'NASA, USGS, JPL (David Seal), CICLOPS team; coloured by the Stellarium team',
    'public domain, or free use with credit (JPL)',
  );

export async function buildPlanets(): Promise<BuiltSplit[]> {
  const maps = await Promise.all(BODIES.map(loadMap));
  return (['train', 'test'] as const).map((split) => {
    const sectors = Array.from({ length: SECTORS }, (_, i) => i).filter(
      (sector) => TEST_SECTORS.has(sector) === (split === 'test'),
    );
    const buffer = new SplitBuffer();
    BODIES.forEach((body, label) => {
      for (let n = 0; n < PER_CLASS[split]; n += 1) {
        const found = surfaceCrop(`planets/${split}/${body}/${n}`, maps[label] as Map512, sectors);
        if (found === undefined) throw new Error(`${body}: no surface in the ${split} sectors`);
        buffer.add(found.tile, label, `sector:${body}/${found.sector}`);
      }
    });
    return {
      id: 'planets',
      kind: 'task',
      split,
      title: 'Planets-15',
      standsFor: 'EuroSAT',
      description:
        'Crops of spacecraft maps of fifteen planets and moons with flips, quarter turns and light ' +
        'changes. Test crops come from two of eight longitude sectors of each map, training crops ' +
        'from the other six; crops of one sector overlap.',
      synthetic: false,
      classes: BODIES.map(titled),
      pixels: buffer.pixels,
      labels: buffer.labels,
      groups: buffer.groups,
      sources: [source()],
    };
  });
}

export async function buildTerrain(): Promise<BuiltSplit[]> {
  const buffer = new SplitBuffer();
  const classes: string[] = [];
  for (const body of OTHER_BODIES) {
    const map = await loadMap(body);
    const everywhere = Array.from({ length: SECTORS }, (_, i) => i);
    const parts = ZONAL.has(body) ? [everywhere] : everywhere.map((sector) => [sector]);
    for (const part of parts) {
      const count = part.length === 1 ? POOL_PER_SECTOR : POOL_PER_SCENE;
      const made: { tile: Uint8Array; sector: number }[] = [];
      for (let n = 0; n < count; n += 1) {
        const found = surfaceCrop(`terrain/${body}/${part.join('')}/${n}`, map, part);
        if (found !== undefined) made.push(found);
      }
      if (made.length < count) continue;
      for (const { tile, sector } of made) {
        buffer.add(tile, classes.length, `sector:${body}/${sector}`);
      }
      const where = part.length === 1 ? `, sector ${(part[0] ?? 0) + 1}` : '';
      classes.push(`${titled(body)}${where}`);
    }
  }
  const photos = (await loadPhotos()).train;
  for (const scene of new Set(photos.map((photo) => photo.scene))) {
    const views = photos.filter((photo) => photo.scene === scene);
    for (let n = 0; n < POOL_PER_SCENE; n += 1) {
      const rng = rngFor(`terrain/${scene}/${n}`);
      const photo = rng.pick(views);
      const tile = drawTile([0, 0, 0], (ctx) => {
        paintPhoto(ctx, rng, photo);
      });
      degrade(tile, rng, { light: rng.range(0.75, 1.2) });
      buffer.add(tile, classes.length, `scene:${scene}`);
    }
    classes.push(`photo: ${scene}`);
  }
  return [
    {
      id: 'terrain',
      kind: 'pretraining',
      split: 'train',
      title: 'Other bodies and photographs',
      description:
        'Map crops of bodies outside Planets-15, one class per body and longitude sector, and ' +
        'crops of the training photographs, one class per scene.',
      synthetic: false,
      classes,
      pixels: buffer.pixels,
      labels: buffer.labels,
      groups: buffer.groups,
      sources: [source(), ...photoSources()],
    },
  ];
}
