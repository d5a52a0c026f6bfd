/**
 * Background photographs from the sample data of OpenCV, scikit-image and scikit-learn, grouped by
 * scene (left/right pairs together). Six scenes are kept for test images only.
 * Sources: Debian packages opencv-doc, python3-skimage, python3-sklearn; public domain, CC0,
 * Apache-2.0, BSD and CC BY per their copyright files.
 */
import { createCanvas, loadImage, type Canvas, type SKRSContext2D } from '@napi-rs/canvas';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DRAW } from './canvas.ts';
import type { Rng } from './random.ts';
import { debian, debianSource } from './sources.ts';
import type { Source } from './types.ts';

const FOLDERS: [string, string][] = [
  ['opencv-doc', 'usr/share/doc/opencv-doc/examples/data'],
  ['python3-skimage', 'usr/lib/python3/dist-packages/skimage/data'],
  ['python3-sklearn', 'usr/lib/python3/dist-packages/sklearn/datasets/images'],
];
const FILES: Record<string, string[]> = {
  aero: ['aero1.jpg', 'aero3.jpg'],
  aloe: ['aloeL.jpg', 'aloeR.jpg'],
  apple: ['apple.jpg'],
  astronaut: ['astronaut.png'],
  baboon: ['baboon.jpg'],
  board: ['board.jpg'],
  brick: ['brick.png'],
  building: ['building.jpg'],
  butterfly: ['butterfly.jpg'],
  chelsea: ['chelsea.png'],
  china: ['china.jpg'],
  coffee: ['coffee.png'],
  flower: ['flower.jpg'],
  fruits: ['fruits.jpg'],
  grass: ['grass.png'],
  gravel: ['gravel.png'],
  home: ['home.jpg'],
  motorcycle: ['motorcycle_left.png', 'motorcycle_right.png'],
  orange: ['orange.jpg'],
  rocket: ['rocket.jpg'],
  rubberwhale: ['rubberwhale1.png', 'rubberwhale2.png'],
  squirrel: ['squirrel_cls.jpg'],
  stuff: ['stuff.jpg'],
};
const TEST_SCENES = new Set(['stuff', 'china', 'motorcycle', 'coffee', 'grass', 'aloe']);

export type Photo = { scene: string; image: Canvas };
export type PhotoSets = { train: Photo[]; test: Photo[] };
let loaded: PhotoSets | undefined;

export async function loadPhotos(): Promise<PhotoSets> {
  if (loaded !== undefined) return loaded;
  const roots = debian(FOLDERS.map(([name]) => name));
  const where = new Map<string, string>();
  for (const [name, folder] of FOLDERS) {
    const full = join(roots.get(name) ?? '', folder);
    for (const file of readdirSync(full)) where.set(file, join(full, file));
  }
  const sets: PhotoSets = { train: [], test: [] };
  for (const [scene, files] of Object.entries(FILES)) {
    for (const file of files) {
      const path = where.get(file);
      if (path === undefined) throw new Error(`background photo ${file} is missing`);
      const source = await loadImage(path);
      const scale = Math.min(1, 640 / Math.max(source.width, source.height));
      const image = createCanvas(
        Math.round(source.width * scale),
        Math.round(source.height * scale),
      );
      image.getContext('2d').drawImage(source, 0, 0, image.width, image.height);
      (TEST_SCENES.has(scene) ? sets.test : sets.train).push({ scene, image });
    }
  }
  loaded = sets;
  return sets;
}

/** Fills the 64x64 canvas with a random crop of a photo; returns the photo's provenance. */
export function paintPhoto(ctx: SKRSContext2D, rng: Rng, photo: Photo): void {
  const { width, height } = photo.image;
  const side = Math.min(width, height, rng.range(40, 260));
  const left = rng.range(0, width - side);
  const top = rng.range(0, height - side);
  ctx.imageSmoothingEnabled = true;
  ctx.imageSmoothingQuality = 'medium';
  ctx.save();
  if (rng.chance(0.5)) {
    ctx.translate(DRAW, 0);
    ctx.scale(-1, 1);
  }
  ctx.drawImage(photo.image, left, top, side, side, 0, 0, DRAW, DRAW);
  ctx.restore();
}

export function photoSources(): Source[] {
  const authors = ['OpenCV contributors', 'scikit-image contributors', 'danielbuechele, vultilion'];
  const licences = [
    'Apache-2.0/BSD-3-Clause (sample data)',
    'public domain, CC0, or as scikit-image states',
    'CC BY 2.0 (china.jpg, flower.jpg)',
  ];
  return FOLDERS.map(([name], i) => debianSource(name, authors[i] ?? '', licences[i]));
}
