/** Writes Electron's archive format: a Chromium pickle that holds the JSON of all names, then the files themselves. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** An archive of the files of one folder, without its folders. */
export function asarOf(folder: string): Buffer {
  const contents = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => ({ name, data: readFileSync(path.join(folder, name)) }));
  let offset = 0;
  const files: Record<string, { size: number; offset: string }> = {};
  for (const { name, data } of contents) {
    files[name] = { size: data.length, offset: String(offset) };
    offset += data.length;
  }
  const json = Buffer.from(JSON.stringify({ files }));
  const padded = Math.ceil(json.length / 4) * 4;
  const head = Buffer.alloc(16 + padded);
  head.writeUInt32LE(4, 0); // bytes of the first pickle, which holds the size of the second
  head.writeUInt32LE(padded + 8, 4);
  head.writeUInt32LE(padded + 4, 8);
  head.writeUInt32LE(json.length, 12);
  json.copy(head, 16);
  return Buffer.concat([head, ...contents.map(({ data }) => data)]);
}
