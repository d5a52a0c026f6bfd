/** IDX files, the form of MNIST and its kin: grey images in one file, labels in another; either may be gzipped. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createGunzip, gunzipSync } from 'node:zlib';
import { AppError } from '../../lib/errors.ts';
import type { ImageCache } from '../image-cache.ts';
import { emptySource, unreadableSource } from './errors.ts';
import type { ImageSource } from './source.ts';

/** Unsigned bytes in so many dimensions. */
const magic = { images: 0x0803, labels: 0x0801 } as const;
const mostLabels = 100_000_000;
const largestEdge = 4096;

export function isIdxImagesName(name: string): boolean {
  return /images[-.]idx3-ubyte(\.gz)?$/.test(name);
}

export interface IdxHeader {
  readonly count: number;
  readonly width: number;
  readonly height: number;
}

/** Header of a file of images. Throws `data.idx_invalid` or `data.empty`. */
export function parseIdxImages(bytes: Buffer, length: number, where: string): IdxHeader {
  const [count = 0, height = 0, width = 0] = dimensions(bytes, length, 'images', where);
  if (width < 1 || height < 1 || width > largestEdge || height > largestEdge) {
    throw invalid(where, `its images are ${width}×${height} pixels large`);
  }
  expectLength(16 + count * width * height, length, where);
  if (count === 0) throw emptySource(where, 'choose a file that holds at least one image');
  return { count, width, height };
}

/** Labels of a whole file. Throws `data.idx_invalid`. */
export function parseIdxLabels(bytes: Buffer, where: string): Int32Array {
  const [count = 0] = dimensions(bytes, bytes.length, 'labels', where);
  expectLength(8 + count, bytes.length, where);
  return Int32Array.from(bytes.subarray(8));
}

/** The set whose images lie at `path`. Throws `data.unreadable`, `data.idx_invalid` or `data.empty`. */
export async function readIdx(path: string): Promise<ImageSource> {
  const zipped = path.endsWith('.gz');
  const header = await readHeader(path, zipped);
  const labels = await readLabels(path, header.count);
  const classes = labels?.reduce((most, label) => Math.max(most, label), 0) ?? -1;
  return {
    kind: 'IDX',
    title: basename(path).replace(/[-.]images.*$/, ''),
    count: header.count,
    classNames: Array.from({ length: classes + 1 }, (_, i) => String(i)),
    labels,
    images: async (cache) => {
      const identity = await identityOf(path);
      const file = zipped ? await unpacked(path, header, identity, cache) : path;
      const length = header.width * header.height;
      return {
        count: header.count,
        grey: header,
        upright: false,
        identity,
        locate: (index) => ({
          file,
          offset: 16 + index * length,
          length,
          name: `${path}, image ${index}`,
        }),
      };
    },
  };
}

async function readHeader(path: string, zipped: boolean): Promise<IdxHeader> {
  const start: Buffer[] = [];
  let length = 0;
  try {
    // Counts the bytes of a zipped file and keeps none but the first.
    const stream = createReadStream(path, zipped ? {} : { end: 15 });
    for await (const chunk of zipped ? stream.pipe(createGunzip()) : stream) {
      const bytes = chunk as Buffer;
      if (length < 16) start.push(bytes.subarray(0, 16));
      length += bytes.length;
    }
    if (!zipped) ({ size: length } = await stat(path));
  } catch (cause) {
    throw zipped && isDamage(cause) ? damaged(path) : unreadableSource(path, cause);
  }
  return parseIdxImages(Buffer.concat(start), length, path);
}

/** Labels that belong to the images at `path`, where there are any beside them. */
async function readLabels(path: string, count: number): Promise<Int32Array | undefined> {
  const name = basename(path).replace(/\.gz$/, '');
  const labelsName = name.replace(/images([-.])idx3/, 'labels$1idx1');
  if (labelsName === name) return undefined;
  for (const each of [labelsName, `${labelsName}.gz`]) {
    const file = join(dirname(path), each);
    const stored = await readFile(file).catch(() => undefined);
    if (stored === undefined) continue;
    const labels = parseIdxLabels(each.endsWith('.gz') ? unzip(stored, file) : stored, file);
    if (labels.length === count) return labels;
    throw invalid(file, `it has ${labels.length} labels for ${count} images`);
  }
  return undefined;
}

function unzip(bytes: Buffer, where: string): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: mostLabels });
  } catch {
    throw damaged(where);
  }
}

async function unpacked(
  path: string,
  { count, width, height }: IdxHeader,
  identity: string,
  cache: ImageCache,
): Promise<string> {
  const bytes = 16 + count * width * height;
  return cache.whole(`${identity}.idx`, bytes, async (file) => {
    for await (const chunk of createReadStream(path).pipe(createGunzip())) {
      await file.write(chunk as Buffer);
    }
  });
}

async function identityOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path);
  try {
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      hash.update(chunk as Buffer);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

function dimensions(
  bytes: Buffer,
  length: number,
  what: keyof typeof magic,
  where: string,
): number[] {
  const many = magic[what] & 0xff;
  const found = bytes.length >= 4 ? bytes.readUInt32BE(0) : undefined;
  if (found !== magic[what]) {
    const code = found === undefined ? 'nothing' : `0x${found.toString(16).padStart(8, '0')}`;
    const wanted = `0x${magic[what].toString(16).padStart(8, '0')}`;
    throw invalid(where, `it begins with ${code}, ${what} with ${wanted}`);
  }
  if (bytes.length < 4 + 4 * many) expectLength(4 + 4 * many, length, where);
  return Array.from({ length: many }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
}

function expectLength(wanted: number, length: number, where: string): void {
  if (wanted === length) return;
  const kind = length < wanted ? 'it is cut off' : 'it is too long';
  throw invalid(where, `${kind}: ${length} bytes, its header says ${wanted}`);
}

function isDamage(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_');
}

function damaged(where: string): AppError {
  return invalid(where, 'it cannot be decompressed');
}

function invalid(where: string, what: string): AppError {
  return new AppError('data.idx_invalid', {
    what: `the IDX file is damaged or of another kind: ${what}`,
    where,
    hint: 'fetch the file again; images end in images-idx3-ubyte and labels in labels-idx1-ubyte',
  });
}
