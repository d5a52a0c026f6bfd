/**
 * Signs-43 (stands for GTSRB): forty-three traffic-sign drawings over crops of real photographs,
 * tilted, lit, blurred and noisy; and the pre-training set "other-signs": signs of other meanings.
 * Rendered: train and test share the one drawing of each sign, but no background scene.
 * Source: npm @rapideditor/mapillary_sprite_source, MIT, Mapillary.
 */
import type { Image } from '@napi-rs/canvas';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadPhotos, photoSources } from '../photos.ts';
import { drawVisible, loadSprite, STREET } from '../sprites.ts';
import { npm, npmSource } from '../sources.ts';
import { SplitBuffer, type BuiltSplit } from '../types.ts';

const PACKAGE = '@rapideditor/mapillary_sprite_source';
const PER_CLASS = { train: 160, test: 24 };
const POOL_PER_MEANING = 10;

const SIGNS = [
  ...['stop', 'yield', 'no-entry', 'no-parking', 'keep-right', 'no-overtaking'].map(regulatory),
  ...['no-heavy-goods-vehicles', 'no-pedestrians', 'no-left-turn', 'weight-limit'].map(regulatory),
  'warning--pedestrians-crossing--g4',
  ...['roadworks', 'children', 'roundabout', 'traffic-signals', 'steep-descent'].map(warning),
  ...['wild-animals', 'two-way-traffic', 'domestic-animals', 'crossroads', 'tunnel'].map(warning),
  'information--parking--g1',
  'information--dead-end--g1',
  ...[20, 30, 50, 60, 70, 80, 100, 120].map((n) => regulatory(`maximum-speed-limit-${n}`)),
  ...['priority-road', 'roundabout', 'go-straight', 'turn-left', 'turn-right'].map(regulatory),
  ...['no-bicycles', 'no-motor-vehicles', 'no-u-turn', 'end-of-no-overtaking'].map(regulatory),
  ...['slippery-road-surface', 'road-narrows', 'other-danger'].map(warning),
];

function regulatory(name: string): string {
  return `regulatory--${name}--g1`;
}

function warning(name: string): string {
  return `warning--${name}--g1`;
}

function meaningOf(file: string): string {
  return file.replace(/--g\d+(\.svg)?$/, '');
}

/** What a person calls the sign. */
function readable(meaning: string): string {
  const [kind, name] = meaning.split('--');
  const words = (name ?? '').replace('maximum-speed-limit', 'speed limit').replace(/-/g, ' ');
  const twice = meaning === 'warning--roundabout';
  return kind === 'warning' && (twice || words === 'children') ? `${words} ahead` : words;
}

const source = npmSource.bind(null, PACKAGE, 'Mapillary', 'MIT');

async function render(folder: string, file: string): Promise<Image | undefined> {
  return loadSprite(readFileSync(join(folder, file)), { viewBox: 32 });
}

export async function buildSigns(): Promise<BuiltSplit[]> {
  const folder = join(npm(PACKAGE), 'package_signs');
  const photos = await loadPhotos();
  const classes = SIGNS.map((sign) => readable(meaningOf(sign)));
  return Promise.all(
    (['train', 'test'] as const).map(async (split) => {
      const buffer = new SplitBuffer();
      for (const [label, sign] of SIGNS.entries()) {
        const image = await render(folder, `${sign}.svg`);
        if (image === undefined) throw new Error(`${sign} is blank`);
        for (let n = 0; n < PER_CLASS[split]; n += 1) {
          let scene = '';
          const photoOf = (rng: Parameters<Parameters<typeof drawVisible>[2]>[0]) => {
            const photo = rng.pick(photos[split]);
            scene = photo.scene;
            return photo;
          };
          const key = `signs/${split}/${label}/${n}`;
          const tile = drawVisible(key, image, () => STREET, photoOf);
          if (tile === undefined) throw new Error(`${sign} does not show`);
          buffer.add(tile, label, `scene:${scene}`);
        }
      }
      const built: BuiltSplit = {
        id: 'signs',
        kind: 'task',
        split,
        title: 'Signs-43',
        standsFor: 'GTSRB',
        description:
          'Rendered traffic signs over crops of real photographs, tilted, lit, blurred and noisy. ' +
          'Train and test share the one drawing of each sign (variation is augmentation only); ' +
          'the test photo scenes are held out.',
        synthetic: true,
        classes,
        pixels: buffer.pixels,
        labels: buffer.labels,
        groups: buffer.groups,
        sources: [source(), ...photoSources()],
      };
      return built;
    }),
  );
}

export async function buildOtherSigns(): Promise<BuiltSplit[]> {
  const folder = join(npm(PACKAGE), 'package_signs');
  const photos = (await loadPhotos()).train;
  const taken = new Set(SIGNS.map((sign) => meaningOf(sign).split('--')[1] ?? ''));
  const meanings = new Map<string, string[]>();
  for (const file of readdirSync(folder).sort()) {
    if (!/^(regulatory|warning|information)--.*--g\d+\.svg$/.test(file)) continue;
    const meaning = meaningOf(file);
    const name = meaning.split('--')[1] ?? '';
    // Meanings of the forty-three, and signs that differ by a number only, stay out.
    if (taken.has(name) || /-\d+$|speed-limit|text/.test(name)) continue;
    meanings.set(meaning, [...(meanings.get(meaning) ?? []), file]);
  }
  const buffer = new SplitBuffer();
  const classes: string[] = [];
  for (const [meaning, files] of meanings) {
    const images = await Promise.all(files.map((file) => render(folder, file)));
    const drawn = images.filter((image) => image !== undefined);
    const label = classes.length;
    const count = drawn.length === 0 ? 0 : Math.max(POOL_PER_MEANING, drawn.length * 3);
    let made = 0;
    for (let n = 0; n < count; n += 1) {
      const image = drawn[n % drawn.length] as Image;
      const key = `other-signs/${meaning}/${n}`;
      const tile = drawVisible(
        key,
        image,
        () => STREET,
        (rng) => rng.pick(photos),
      );
      if (tile === undefined) continue;
      buffer.add(tile, label, `sign:${meaning}`);
      made += 1;
    }
    if (made > 0) classes.push(meaning.replace('--', ': ').replace(/-/g, ' '));
  }
  return [
    {
      id: 'other-signs',
      kind: 'pretraining',
      split: 'train',
      title: 'Traffic signs outside Signs-43',
      description:
        'Rendered traffic signs of meanings outside Signs-43 (number-only variants left out) over ' +
        'photo crops of training scenes; one class per meaning.',
      synthetic: true,
      classes,
      pixels: buffer.pixels,
      labels: buffer.labels,
      groups: buffer.groups,
      sources: [source(), ...photoSources()],
    },
  ];
}
