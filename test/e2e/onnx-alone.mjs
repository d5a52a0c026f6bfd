/**
 * What a stranger would write: runs an exported model.onnx on the images of sprite sheets with ONNX
 * Runtime alone. How to prepare images is read from the file's own metadata.
 *
 *   node onnx-alone.mjs MODEL.onnx TASK=DESCRIPTION.json…
 *
 * Prints as JSON, by task, the class predicted for every image.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import sharp from 'sharp';

const batch = 100;
const [, , model, ...sets] = process.argv;

/** Fields of a protobuf message: [number, bytes or value]. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const kind = key % 8;
    const length = kind === 0 ? 0 : kind === 1 ? 8 : kind === 5 ? 4 : varint();
    if (kind === 0) varint();
    yield [Math.floor(key / 8), bytes.subarray(at, at + length)];
    at += length;
  }
}

/** `metadata_props` of a ModelProto, field 14: pairs of key (1) and value (2). */
function metadataOf(path) {
  const entries = [...fields(readFileSync(path))].filter(([number]) => number === 14);
  return Object.fromEntries(
    entries.map(([, entry]) => [...fields(entry)].map(([, text]) => text.toString())),
  );
}

const { size, rescale, mean, std } = JSON.parse(metadataOf(model).preprocessing);
const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });

/** Tiles of a set's sheets, normalised, channels first: count × 3 × size × size. */
async function imagesOf(description, { sheets, columns, count, tile }) {
  if (tile !== size) throw new Error(`images of ${tile} pixels, the model takes ${size}`);
  const area = size * size;
  const values = new Float32Array(count * 3 * area);
  let image = 0;
  for (const name of sheets) {
    const file = sharp(join(dirname(description), name))
      .removeAlpha()
      .toColourspace('srgb');
    const { data, info } = await file.raw().toBuffer({ resolveWithObject: true });
    const tiles = columns * (info.height / size);
    for (let i = 0; i < tiles && image < count; i++, image++) {
      const [left, top] = [(i % columns) * size, Math.floor(i / columns) * size];
      for (let channel = 0; channel < 3; channel++) {
        for (let pixel = 0; pixel < area; pixel++) {
          const row = top + Math.floor(pixel / size);
          const byte = data[(row * info.width + left + (pixel % size)) * 3 + channel];
          values[(image * 3 + channel) * area + pixel] =
            (byte * rescale - mean[channel]) / std[channel];
        }
      }
    }
  }
  return values;
}

function largest(values) {
  return values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
}

const predictions = {};
for (const set of sets) {
  const [task, path] = [set.slice(0, set.indexOf('=')), set.slice(set.indexOf('=') + 1)];
  const description = JSON.parse(readFileSync(path, 'utf8'));
  const pixels = await imagesOf(path, description);
  const stride = 3 * size * size;
  const output = `logits/${task}`;
  predictions[task] = [];
  for (let start = 0; start < description.count; start += batch) {
    const count = Math.min(batch, description.count - start);
    const slice = pixels.slice(start * stride, (start + count) * stride);
    const images = new Tensor('float32', slice, [count, 3, size, size]);
    const { data, dims } = (await session.run({ images }, [output]))[output];
    for (let row = 0; row < count; row++) {
      predictions[task].push(largest(data.subarray(row * dims[1], (row + 1) * dims[1])));
    }
  }
}
process.stdout.write(JSON.stringify(predictions));
