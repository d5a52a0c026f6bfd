/**
 * Images from files to an encoder: how many a second are decoded and resized, and whether an engine that runs
 * CLIP ViT-B/32 ever waits for them.
 *
 *   npx tsx test/bench/data.bench.ts [--images 256] [--width 500] [--height 375] [--batch 32] [--threads N]
 *
 * Other work on the machine lengthens times; processor seconds are printed beside them. "Utilisation" is the
 * part of the time that is spent in the engine rather than waiting for the next batch.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { decodeImage } from '../../main/data/decode-image.ts';
import { ImageCache } from '../../main/data/image-cache.ts';
import { imageBatch, type ImageSet } from '../../main/data/images.ts';
import { openImages } from '../../main/data/labelled-set.ts';
import { preparedPixels, readPreprocessing } from '../../main/data/preprocessing.ts';
import { createOnnxEngine } from '../../main/engine/onnx/engine.ts';
import { compileEncoder, type Encoder } from '../../main/evaluation/evaluate.ts';
import { oneAhead } from '../../main/lib/one-ahead.ts';
import { randomStream } from '../../main/lib/random.ts';
import { elementCount } from '../../main/lib/tensor.ts';
import { staticModel } from '../../main/models/merged-model.ts';
import { parseVisionConfig } from '../../main/models/vision-config.ts';
import { visionTensors } from '../../main/models/vit.ts';

const { values: options } = parseArgs({
  options: {
    images: { type: 'string', default: '256' },
    width: { type: 'string', default: '500' },
    height: { type: 'string', default: '375' },
    batch: { type: 'string', default: '32' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});
const count = Number(options.images);
const [width, height] = [Number(options.width), Number(options.height)];
const batch = Number(options.batch);
const threads = Number(options.threads);
const config = parseVisionConfig({ model_type: 'clip' }, { where: 'ViT-B/32', projected: false });

interface Times {
  readonly seconds: number;
  readonly processor: number;
}

async function timed(work: () => Promise<void>): Promise<Times> {
  const [start, used] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - start) / 1000, processor: (user + system) / 1e6 };
}

function report(title: string, { seconds, processor }: Times, more = ''): void {
  const speed = `${(count / seconds).toFixed(0)} images/s`.padStart(14);
  const cost = `${((1000 * processor) / count).toFixed(2)} processor ms an image`.padStart(30);
  console.log(`${title.padEnd(44)}${speed}${cost}${more}`);
}

/** Photographs by their spectrum: waves of falling strength, and a little noise. */
async function writePhotographs(folder: string): Promise<number> {
  await mkdir(folder);
  const random = randomStream('photographs');
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const waves = Array.from({ length: 9 }, (_, k) => ({
      x: (random() - 0.5) * 0.02 * 2 ** (k / 2),
      y: (random() - 0.5) * 0.02 * 2 ** (k / 2),
      phase: 6 * random(),
      channel: k % 3,
      strength: 60 / (1 + k / 3),
    }));
    const pixels = new Uint8ClampedArray(width * height * 3);
    for (let at = 0; at < pixels.length; at++) {
      const [channel, x, y] = [at % 3, Math.floor(at / 3) % width, Math.floor(at / 3 / width)];
      let value = 128 + 16 * (random() - 0.5);
      for (const wave of waves) {
        const part = wave.channel === channel ? 1 : 0.5;
        value += part * wave.strength * Math.sin(x * wave.x + y * wave.y + wave.phase);
      }
      pixels[at] = value;
    }
    const raw = { width, height, channels: 3 } as const;
    const file = await sharp(pixels, { raw }).jpeg({ quality: 90 }).toBuffer();
    bytes += file.length;
    await writeFile(join(folder, `${String(i).padStart(6, '0')}.jpg`), file);
  }
  return bytes / count;
}

async function makeEncoder(): Promise<Encoder> {
  const random = randomStream('weights');
  const weights = new Map(
    [...visionTensors(config)].map(([name, shape]) => {
      const data = new Float32Array(elementCount(shape));
      const scale = name.includes('norm') && name.endsWith('.weight');
      for (let i = 0; i < data.length; i++) data[i] = scale ? 1 : (random() - 0.5) * 0.08;
      return [name, { shape, data }];
    }),
  );
  const engine = createOnnxEngine({ threads });
  const model = staticModel({ config, weights });
  return compileEncoder(engine, model, new Map(), { batch, reduction: 'per-sample' });
}

/** All images through the encoder, as an evaluation does it. */
async function encodeAll(encoder: Encoder, set: ImageSet): Promise<Times & { engine: number }> {
  let engine = 0;
  const times = await timed(async () => {
    const batches = oneAhead(Math.ceil(count / batch), (number) => {
      const length = Math.min(batch, count - number * batch);
      return imageBatch(
        set,
        Uint32Array.from({ length }, (_, i) => number * batch + i),
      );
    });
    for await (const images of batches) {
      const start = performance.now();
      await encoder.encode(images);
      engine += (performance.now() - start) / 1000;
    }
  });
  return { ...times, engine };
}

const folder = await mkdtemp(join(tmpdir(), 'mergewright-bench-'));
try {
  const photographs = join(folder, 'photographs');
  const bytes = await writePhotographs(photographs);
  console.log(
    `${count} JPEG files of ${width}×${height} pixels, ${(bytes / 1024).toFixed(0)} KiB each, to ${config.imageSize} pixels; ${availableParallelism()} cores`,
  );
  const preprocessing = await readPreprocessing(folder, config.imageSize);
  const { normalisation } = preprocessing;
  const open = async (cache: string): Promise<ImageSet> =>
    openImages(photographs, {
      task: 'bench',
      normalisation,
      preprocessing: () => Promise.resolve(preprocessing),
      cache: new ImageCache(join(folder, cache)),
    });

  const paths = Array.from({ length: count }, (_, i) => `${String(i).padStart(6, '0')}.jpg`);
  report(
    'decoding alone, one thread',
    await timed(async () => {
      for (const path of paths) await decodeImage(join(photographs, path));
    }),
  );
  const decoded = await decodeImage(join(photographs, '000000.jpg'));
  report(
    'resizing alone, one thread',
    await timed(() => {
      for (let i = 0; i < count; i++) preparedPixels(decoded, preprocessing);
      return Promise.resolve();
    }),
  );
  const all = Array.from({ length: count }, (_, i) => i);
  const first = await open('cache');
  // Threads start with the first image.
  await imageBatch(await open('warm cache'), [0]);
  report(
    'both in threads, and kept',
    await timed(async () => {
      await imageBatch(first, all);
    }),
  );
  report(
    'read from what was kept',
    await timed(async () => {
      await imageBatch(first, all);
    }),
  );

  const encoder = await makeEncoder();
  const decodedSet: ImageSet = {
    task: 'bench',
    normalisation,
    store: { size: config.imageSize, count, pixels: await readAll(first) },
  };
  // The first batch prepares the engine's own memory.
  await encoder.encode(await imageBatch(decodedSet, all.slice(0, batch)));
  for (const [title, set] of [
    ['ViT-B/32, images in memory', decodedSet],
    ['ViT-B/32, images from files', await open('another cache')],
    ['ViT-B/32, images kept before', first],
  ] as const) {
    const times = await encodeAll(encoder, set);
    report(title, times, `   utilisation ${((100 * times.engine) / times.seconds).toFixed(1)} %`);
  }
  await encoder.dispose();
} finally {
  await rm(folder, { recursive: true });
}

async function readAll({ store }: ImageSet): Promise<Uint8Array> {
  return 'pixels' in store ? store.pixels : store.read(Array.from({ length: count }, (_, i) => i));
}
