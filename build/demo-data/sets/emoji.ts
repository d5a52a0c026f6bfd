/**
 * Emoji-40: forty object concepts, trained on six artists and tested on two unseen ones; and the
 * pre-training set "emoji-concepts": every other concept, training artists only.
 * Licences: CC BY 4.0, Apache-2.0 and MIT drawings (see emoji-sets.ts).
 */
import type { Image } from '@napi-rs/canvas';
import { CLIPART, drawVisible, poolLook } from '../sprites.ts';
import {
  EmojiSet,
  emojiSources,
  loadConcepts,
  TEST_ARTISTS,
  TRAIN_ARTISTS,
  type Concept,
} from '../emoji-sets.ts';
import { loadPhotos } from '../photos.ts';
import { SplitBuffer, type BuiltSplit } from '../types.ts';

const PER_CLASS = { train: 160, test: 25 };
const POOL_PER_CLASS = 12;
const POOL_FEWEST_ARTISTS = 3;

const CONCEPTS = [
  ...['kimono', 'spiral shell', 'bus', 'bread', 'graduation cap', 'factory', 'baseball', 'shower'],
  ...['goat', 'bicycle', 'ant', 'love hotel', 'tomato', 'droplet', 'cactus', 'trumpet', 'pear'],
  ...['maple leaf', 'meat on bone', 'cherries', 'wedding', 'sun with face', 'nut and bolt'],
  ...['octopus', 'bowling', 'crystal ball', 'snail', 'herb', 'waxing crescent moon'],
  ...['fax machine', 'shaved ice', 'violin', 'poodle', 'candy', 'taxi', 'tropical fish'],
  ...['flag in hole', 'glasses', 'cocktail glass', 'monkey face'],
];

/** Names under which some artists file a concept. */
const OTHER_NAMES: Record<string, string[]> = {
  bicycle: ['bicycle-1', 'bicycle-2', 'bike'],
  'nut and bolt': ['nutandbolt', 'nut-bolt'],
  'shaved ice': ['shavedice'],
  'cocktail glass': ['cocktail'],
  wedding: ['wedding-church', 'church-wedding', 'church-heart'],
};

type Drawing = { artist: string; image: Image };

async function drawingsOf(
  concept: Concept,
  sets: EmojiSet[],
  names: string[] = [],
): Promise<Drawing[]> {
  const drawings: Drawing[] = [];
  for (const set of sets) {
    const other = names.map((name) => set.findName(name)).find((icon) => icon !== undefined);
    const icon = set.find(concept) ?? other;
    const image = icon === undefined ? undefined : await set.sprite(icon);
    if (image !== undefined) drawings.push({ artist: set.name, image });
  }
  return drawings;
}

export async function buildEmoji(): Promise<BuiltSplit[]> {
  const concepts = loadConcepts();
  const out: BuiltSplit[] = [];
  for (const split of ['train', 'test'] as const) {
    const artists = split === 'train' ? TRAIN_ARTISTS : TEST_ARTISTS;
    const sets = artists.map((name) => new EmojiSet(name));
    const buffer = new SplitBuffer();
    let total = 0;
    for (const [label, name] of CONCEPTS.entries()) {
      const concept = concepts.find((item) => item.label === name);
      if (concept === undefined) throw new Error(`no emoji concept ${name}`);
      const drawings = await drawingsOf(concept, sets, OTHER_NAMES[name]);
      if (drawings.length === 0) throw new Error(`${split}: nobody drew ${name}`);
      total += drawings.length;
      for (let n = 0; n < PER_CLASS[split]; n += 1) {
        const drawing = drawings[n % drawings.length] as Drawing;
        const tile = drawVisible(`emoji/${split}/${label}/${n}`, drawing.image, () => CLIPART);
        if (tile === undefined) throw new Error(`${name} by ${drawing.artist} does not show`);
        buffer.add(tile, label, `artist:${drawing.artist}|drawing:${drawing.artist}/${name}`);
      }
    }
    console.log(`  ${split}: ${total} drawings by ${artists.join(', ')}`);
    out.push({
      id: 'emoji',
      kind: 'task',
      split,
      title: 'Emoji-40',
      standsFor: 'fine-grained objects (no direct counterpart)',
      description:
        `Forty object concepts drawn by emoji artists (${total} ${split} drawings), on pastel ` +
        'gradients with flips and small turns. The two test artists appear in no training set.',
      synthetic: false,
      classes: CONCEPTS,
      pixels: buffer.pixels,
      labels: buffer.labels,
      groups: buffer.groups,
      sources: emojiSources(artists),
    });
  }
  return out;
}

/** Concepts of the pool: no flag, letter, digit, kana button, nor any of the forty. */
function isPoolConcept({ label, group }: Concept): boolean {
  if (group === undefined || group === 2 || group === 9) return false;
  if (CONCEPTS.includes(label)) return false;
  return !/keycap|button|input |^regional|clock|o’clock|-thirty|numbers|1234|hundred/.test(label);
}

export async function buildEmojiConcepts(): Promise<BuiltSplit[]> {
  const sets = TRAIN_ARTISTS.map((name) => new EmojiSet(name));
  const photos = (await loadPhotos()).train;
  const buffer = new SplitBuffer();
  const classes: string[] = [];
  for (const concept of loadConcepts().filter(isPoolConcept)) {
    const drawings = await drawingsOf(concept, sets);
    if (drawings.length < POOL_FEWEST_ARTISTS || classes.includes(concept.label)) continue;
    const label = classes.length;
    let made = 0;
    for (let n = 0; n < POOL_PER_CLASS; n += 1) {
      const { artist, image } = drawings[n % drawings.length] as Drawing;
      const key = `emoji-concepts/${concept.hexcode}/${n}`;
      const tile = drawVisible(key, image, poolLook, (rng) => rng.pick(photos));
      if (tile === undefined) continue;
      buffer.add(tile, label, `artist:${artist}|drawing:${artist}/${concept.label}`);
      made += 1;
    }
    if (made === 0) throw new Error(`${concept.label} does not show`);
    classes.push(concept.label);
  }
  return [
    {
      id: 'emoji-concepts',
      kind: 'pretraining',
      split: 'train',
      title: 'Emoji concepts outside Emoji-40',
      description:
        'Every emoji concept drawn by at least three training artists, except the forty of ' +
        'Emoji-40, flags, letters and digits; one class per concept.',
      synthetic: false,
      classes,
      pixels: buffer.pixels,
      labels: buffer.labels,
      groups: buffer.groups,
      sources: emojiSources(TRAIN_ARTISTS),
    },
  ];
}
