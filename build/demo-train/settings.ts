/** The demo's encoder and where training reads and writes. */
import { join } from 'node:path';
import type { Augmentation } from './augment.ts';
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

const unchanged: Augmentation = {
  shift: 0,
  rotation: 0,
  stretch: 0,
  contrast: 0,
  invert: 0,
  permuteChannels: 0,
  flip: 0,
  symmetries: 0,
  erase: 0,
};

/** Pre-training begins with strong augmentation and ends with views nearer to the images themselves. */
export const pretrainingRounds: readonly {
  readonly epochs: number;
  readonly learningRate: number;
  readonly augmentation: Augmentation;
}[] = [
  {
    epochs: 9,
    learningRate: 1e-3,
    augmentation: {
      ...unchanged,
      shift: 3,
      contrast: 0.3,
      invert: 0.15,
      permuteChannels: 0.3,
      erase: 0.2,
    },
  },
  {
    epochs: 8,
    learningRate: 8e-4,
    augmentation: { ...unchanged, shift: 2, contrast: 0.2, invert: 0.1, permuteChannels: 0.1 },
  },
  {
    epochs: 13,
    learningRate: 7e-4,
    augmentation: { ...unchanged, shift: 2, stretch: 0.08, contrast: 0.2, invert: 0.1 },
  },
];

/** Characters lean, stretch and thicken from font to font and from hand to hand. */
const glyphs: Augmentation = { ...unchanged, shift: 2, rotation: 10, stretch: 0.15, contrast: 0.2 };

/** How experts are fine-tuned; chosen on the held-out training groups. */
export const fineTuning = {
  learningRate: 1.2e-3,
  /** The rate falls by this factor from each block to the one below it. */
  layerDecay: 0.7,
  /** Attention, norms and embeddings, which most merges treat statically, move less than the MLPs. */
  besidesMlp: 0.1,
  tasks: {
    mnist: { steps: 1200, augmentation: glyphs },
    fashion: { steps: 1600, augmentation: { ...unchanged, shift: 2, contrast: 0.15, flip: 0.5 } },
    streetdigits: { steps: 3600, augmentation: { ...glyphs, invert: 0.3, permuteChannels: 0.5 } },
    signs: { steps: 1000, augmentation: { ...unchanged, shift: 2, contrast: 0.2 } },
    planets: {
      steps: 1800,
      augmentation: { ...unchanged, shift: 2, contrast: 0.1, symmetries: 1, flip: 0.5 },
    },
    letters: { steps: 3600, augmentation: { ...glyphs, invert: 0.3, permuteChannels: 0.5 } },
    kana: { steps: 1600, augmentation: glyphs },
    emoji: {
      steps: 1200,
      augmentation: { ...unchanged, shift: 2, rotation: 8, stretch: 0.1, contrast: 0.2, flip: 0.5 },
    },
  } satisfies Record<(typeof demoTasks)[number], { steps: number; augmentation: Augmentation }>,
};

/** Factor on the learning rate of one tensor of an expert. */
export function rateFactor(name: string): number {
  const block = /layers\.(\d+)\./.exec(name)?.[1];
  const top = demoConfig.layerCount - 1;
  const depth = block !== undefined ? Number(block) : name.includes('post_layernorm') ? top : 0;
  const kind = name.includes('.mlp.') ? 1 : fineTuning.besidesMlp;
  return kind * fineTuning.layerDecay ** (top - depth);
}
