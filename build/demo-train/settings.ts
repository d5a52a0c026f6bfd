/** The demo's encoder and where training reads and writes. */
import { join } from 'node:path';
import type { Normalisation } from '../../main/data/images.ts';
import type { VisionConfig } from '../../main/models/vision-config.ts';

/** A small CLIP ViT: 32×32 images, 4×4 patches of 8 pixels, 1.2 million parameters. */
export const demoConfig: VisionConfig = {
  hiddenSize: 128,
  intermediateSize: 512,
  layerCount: 6,
  headCount: 4,
  imageSize: 32,
  patchSize: 8,
  channelCount: 3,
  activation: 'quick_gelu',
  layerNormEpsilon: 1e-5,
  projectionSize: undefined,
};

export const normalisation: Normalisation = {
  mean: [0.5, 0.5, 0.5],
  deviation: [0.25, 0.25, 0.25],
};

export const seed = 20;

/** Task ids in recipe order. */
export const demoTasks = [
  'mnist',
  'fashion',
  'streetdigits',
  'signs',
  'planets',
  'letters',
  'kana',
  'emoji',
] as const;

/** Training images are built by build/demo-data and stay out of the repository. */
export const trainingFolder = join('.cache', 'demo');
export const demoFolder = join('assets', 'demo');
