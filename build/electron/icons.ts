/**
 * Writes the application's icons from assets/icons/icon.svg: PNG for Linux, .ico for Windows, .icns for macOS. Run
 * `npx tsx build/electron/icons.ts` after changing the drawing.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { root } from '../bundles.ts';

const folder = path.join(root, 'assets/icons');
const drawing = path.join(folder, 'icon.svg');

const pngSizes = [16, 24, 32, 48, 64, 128, 256, 512, 1024];
const icoSizes = [16, 24, 32, 48, 64, 128, 256];
/** Types of an .icns entry that hold a PNG of this size. */
const icnsTypes: [type: string, size: number][] = [
  ['icp4', 16],
  ['icp5', 32],
  ['icp6', 64],
  ['ic07', 128],
  ['ic08', 256],
  ['ic09', 512],
  ['ic10', 1024],
  ['ic11', 32],
  ['ic12', 64],
  ['ic13', 256],
  ['ic14', 512],
];

function png(size: number): Promise<Buffer> {
  return sharp(drawing).resize(size, size).png({ compressionLevel: 9 }).toBuffer();
}

/** ICONDIR, one ICONDIRENTRY for each image, then the PNG files. */
function ico(images: readonly { size: number; data: Buffer }[]): Buffer {
  const head = Buffer.alloc(6 + 16 * images.length);
  head.writeUInt16LE(1, 2);
  head.writeUInt16LE(images.length, 4);
  let offset = head.length;
  images.forEach(({ size, data }, index) => {
    const at = 6 + 16 * index;
    head.writeUInt8(size % 256, at); // 0 means 256
    head.writeUInt8(size % 256, at + 1);
    head.writeUInt16LE(1, at + 4);
    head.writeUInt16LE(32, at + 6);
    head.writeUInt32LE(data.length, at + 8);
    head.writeUInt32LE(offset, at + 12);
    offset += data.length;
  });
  return Buffer.concat([head, ...images.map(({ data }) => data)]);
}

/** Entries of a four-letter type, their length (header included) and a PNG file. */
function icns(images: readonly { type: string; data: Buffer }[]): Buffer {
  const chunk = (type: string, content: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.write(type, 'latin1');
    head.writeUInt32BE(content.length + 8, 4);
    return Buffer.concat([head, content]);
  };
  return chunk('icns', Buffer.concat(images.map(({ type, data }) => chunk(type, data))));
}

for (const size of pngSizes) {
  writeFileSync(path.join(folder, `${size}x${size}.png`), await png(size));
}
writeFileSync(
  path.join(folder, 'icon.ico'),
  ico(await Promise.all(icoSizes.map(async (size) => ({ size, data: await png(size) })))),
);
writeFileSync(
  path.join(folder, 'icon.icns'),
  icns(await Promise.all(icnsTypes.map(async ([type, size]) => ({ type, data: await png(size) })))),
);
