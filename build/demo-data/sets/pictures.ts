/**
 * Pre-training sets of drawn pictures: "flags" (one class per country), "cards" (one class per
 * playing card) and "clipart" (one class per picture folder).
 * Sources: npm flag-icons and @iconify-json/circle-flags (MIT), flags of the training emoji
 * artists; Debian gnome-cards-data (GPL-3+), openclipart-png (public domain) and
 * tuxpaint-stamps-default (GPL-2+). The crops stay under those licences and are not shipped.
 */
import type { Image } from '@napi-rs/canvas';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import sharp from 'sharp';
import { EmojiSet, emojiSources, loadConcepts, TRAIN_ARTISTS } from '../emoji-sets.ts';
import { loadPhotos } from '../photos.ts';
import { rngFor, type Rng } from '../random.ts';
import { debianOne, debianSource, npm, npmSource } from '../sources.ts';
import { drawVisible, loadSprite, poolLook, type SpriteLook } from '../sprites.ts';
import { SplitBuffer, type BuiltSplit, type Source } from '../types.ts';

const FLAGS_PER_CLASS = 18;
const CARDS_PER_DECK = 2;
const CLIPART_PER_DRAWING = 2;
const MOST_PER_FOLDER = 110;
const FEWEST_PER_FOLDER = 8;

function pool(
  meta: Pick<BuiltSplit, 'id' | 'title' | 'description' | 'classes'>,
  buffer: SplitBuffer,
  sources: Source[],
): BuiltSplit[] {
  return [
    {
      ...meta,
      kind: 'pretraining',
      split: 'train',
      synthetic: false,
      pixels: buffer.pixels,
      labels: buffer.labels,
      groups: buffer.groups,
      sources,
    },
  ];
}

/** Flags and cards keep their colours and are not mirrored. */
function flatLook(rng: Rng): SpriteLook {
  const look = poolLook(rng);
  return { ...look, flip: false, background: rng.chance(0.5) ? 'photo' : 'pastel', shear: 0.13 };
}

/** Territories that fly another country's flag. */
const SAME_FLAG = new Set('ac bl bv cp dg ea gf gp hm mf mq nc pm re sj ta um wf yt'.split(' '));

export async function buildFlags(): Promise<BuiltSplit[]> {
  const photos = (await loadPhotos()).train;
  const sets = TRAIN_ARTISTS.map((name) => new EmojiSet(name));
  const circles = new EmojiSet('circle-flags');
  const files = join(npm('flag-icons'), 'flags', '4x3');
  const buffer = new SplitBuffer();
  const classes: string[] = [];
  for (const concept of loadConcepts()) {
    const points = concept.hexcode.split('-').map((code) => parseInt(code, 16) - 0x1f1e6 + 97);
    if (points.length !== 2 || points.some((point) => point < 97 || point > 122)) continue;
    const code = String.fromCharCode(...points);
    if (SAME_FLAG.has(code)) continue;
    const drawings: { artist: string; image: Image }[] = [];
    const keep = (artist: string, image: Image | undefined): void => {
      if (image !== undefined) drawings.push({ artist, image });
    };
    const file = join(files, `${code}.svg`);
    if (existsSync(file))
      keep('flag-icons', await loadSprite(readFileSync(file), { viewBox: 640 }));
    const circle = circles.findName(code);
    if (circle !== undefined) keep('circle-flags', await circles.sprite(circle));
    for (const set of sets) {
      const icon = set.find(concept);
      if (icon !== undefined) keep(set.name, await set.sprite(icon));
    }
    if (drawings.length < 3) continue;
    for (let n = 0; n < FLAGS_PER_CLASS; n += 1) {
      const { artist, image } = drawings[n % drawings.length] as (typeof drawings)[number];
      const key = `flags/${code}/${n}`;
      const tile = drawVisible(key, image, flatLook, (rng) => rng.pick(photos));
      if (tile !== undefined) buffer.add(tile, classes.length, `artist:${artist}`);
    }
    classes.push(concept.label.replace(/^flag: /i, ''));
  }
  const description =
    'Country flags drawn by several sets, tilted, over plain and photo backgrounds.';
  const sources = [
    npmSource('flag-icons', 'Panayiotis Lipiridis', 'MIT'),
    ...emojiSources(['circle-flags', ...TRAIN_ARTISTS]),
  ];
  return pool({ id: 'flags', title: 'Flags', description, classes }, buffer, sources);
}

const RANKS = ['ace', '2', '3', '4', '5', '6', '7', '8', '9', '10', 'jack', 'queen', 'king'];
const SUITS = ['clubs', 'diamonds', 'hearts', 'spades'];

export async function buildCards(): Promise<BuiltSplit[]> {
  const photos = (await loadPhotos()).train;
  const folder = join(debianOne('gnome-cards-data'), 'usr/share/aisleriot/cards');
  const [width, height] = [72, 104];
  const buffer = new SplitBuffer();
  for (const deck of readdirSync(folder)
    .filter((file) => /^[a-z].*\.svgz$/.test(file))
    .sort()) {
    const sheet = await sharp(gunzipSync(readFileSync(join(folder, deck))), { unlimited: true })
      .resize(width * 13, height * 5, { fit: 'fill' })
      .png({ compressionLevel: 1 })
      .toBuffer();
    for (const [row, suit] of SUITS.entries()) {
      for (const [column, rank] of RANKS.entries()) {
        const area = { left: column * width, top: row * height, width, height };
        const image = await loadSprite(await sharp(sheet).extract(area).png().toBuffer());
        if (image === undefined) continue;
        for (let n = 0; n < CARDS_PER_DECK; n += 1) {
          const key = `cards/${deck}/${rank}-${suit}/${n}`;
          const tile = drawVisible(key, image, flatLook, (rng) => rng.pick(photos));
          if (tile !== undefined) buffer.add(tile, row * 13 + column, `deck:${deck}`);
        }
      }
    }
  }
  const classes = SUITS.flatMap((suit) => RANKS.map((rank) => `${rank} of ${suit}`));
  const description = 'Playing cards of about thirty decks, one class per rank and suit.';
  const source = debianSource('gnome-cards-data', 'David Bellot and contributors');
  return pool({ id: 'cards', title: 'Playing cards', description, classes }, buffer, [source]);
}

/** Folders with letters, digits, signs, flags, cards, moons or nothing to recognise stay out. */
const LEFT_OUT = new RegExp(
  'alphabet|/led|flags|cards|clocks|roadsign|astronomy|^tuxpaint/space|special|unsorted|buttons|' +
    'math|symbols/money|logos|diagrams|callouts|CD_Player|dice|semaphore|mimetypes|duplicates',
);

export async function buildClipart(): Promise<BuiltSplit[]> {
  const photos = (await loadPhotos()).train;
  const roots: [string, string, string][] = [
    ['openclipart', 'openclipart-png', 'usr/share/openclipart/png'],
    ['tuxpaint', 'tuxpaint-stamps-default', 'usr/share/tuxpaint/stamps'],
  ];
  const folders = new Map<string, string[]>();
  for (const [short, name, path] of roots) {
    const root = join(debianOne(name), path);
    const files = readdirSync(root, { recursive: true }) as string[];
    for (const file of files.filter((item) => /\.(png|svg)$/.test(item)).sort()) {
      const folder = `${short}/${dirname(file)}`.replace(/\/cartoon$/, '');
      if (LEFT_OUT.test(folder) || /mirror|flip|creation_day|_ball_|clock|calculator/.test(file))
        continue;
      folders.set(folder, [...(folders.get(folder) ?? []), join(root, file)]);
    }
  }
  const buffer = new SplitBuffer();
  const classes: string[] = [];
  for (const [folder, files] of folders) {
    if (files.length < FEWEST_PER_FOLDER) continue;
    const chosen = rngFor(`clipart/${folder}`).shuffle(files).slice(0, MOST_PER_FOLDER);
    const tiles: Uint8Array[] = [];
    for (const [at, file] of chosen.entries()) {
      const image = await loadSprite(readFileSync(file), { trim: true }).catch(() => undefined);
      if (image === undefined) continue;
      for (let n = 0; n < CLIPART_PER_DRAWING; n += 1) {
        const key = `clipart/${folder}/${at}/${n}`;
        const tile = drawVisible(key, image, poolLook, (rng) => rng.pick(photos));
        if (tile !== undefined) tiles.push(tile);
      }
    }
    if (tiles.length < FEWEST_PER_FOLDER) continue;
    for (const tile of tiles) buffer.add(tile, classes.length, `clipart:${folder}`);
    classes.push(folder.replace(/^(\w+)\//, '$1: '));
  }
  const description =
    'Clip art and drawing-program stamps, one class per folder; folders of letters, digits, signs, ' +
    'flags and planets are left out.';
  const sources = [
    debianSource('openclipart-png', 'Open Clip Art Library contributors', 'public domain'),
    debianSource('tuxpaint-stamps-default', 'Tux Paint contributors', 'GPL-2+'),
  ];
  return pool({ id: 'clipart', title: 'Clip art', description, classes }, buffer, sources);
}
