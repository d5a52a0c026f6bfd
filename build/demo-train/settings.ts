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

/** How experts are fine-tuned; chosen on the held-out training groups. */
export const fineTuning = {
  learningRate: 1.2e-3,
  /** The rate falls by this factor from each block to the one below it. */
  layerDecay: 0.7,
  /** Attention, norms and embeddings, which most merges treat statically, move less than the MLPs. */
  besidesMlp: 0.1,
  steps: {
    mnist: 700,
    fashion: 900,
    streetdigits: 1700,
    signs: 700,
    planets: 1000,
    letters: 1900,
    kana: 800,
    emoji: 600,
  } as Readonly<Record<string, number>>,
};

/** Factor on the learning rate of one tensor of an expert. */
export function rateFactor(name: string): number {
  const block = /layers\.(\d+)\./.exec(name)?.[1];
  const top = demoConfig.layerCount - 1;
  const depth = block !== undefined ? Number(block) : name.includes('post_layernorm') ? top : 0;
  const kind = name.includes('.mlp.') ? 1 : fineTuning.besidesMlp;
  return kind * fineTuning.layerDecay ** (top - depth);
}
