/**
 * Checks, over everything built so far, that nothing a test set is made of is also used for
 * training: no test provenance (font, artist, photo scene, map sector, image) in any training or
 * pre-training set, and no test image byte-identical to a training image. Throws when it fails.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSplit } from './sheets.ts';

type Provenance = { folder: string; split: 'train' | 'test'; groups: string[] };

export async function checkLeaks(folder: string): Promise<void> {
  const testParts = new Map<string, string>();
  const trainParts = new Map<string, string>();
  const testImages = new Map<string, string>();
  const trainImages = new Map<string, string>();
  let testCount = 0;
  let trainCount = 0;
  for (const file of readdirSync(folder).sort()) {
    const record = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Provenance;
    const isTest = record.split === 'test';
    const name = file.replace('.json', '');
    const parts = isTest ? testParts : trainParts;
    for (const group of new Set(record.groups)) {
      for (const part of group.split('|')) if (part !== '') parts.set(part, name);
    }
    const { json, tiles } = await readSplit(record.folder, record.split);
    if (tiles.length !== json.count) throw new Error(`${name}: sheet and JSON disagree`);
    const images = isTest ? testImages : trainImages;
    tiles.forEach((tile, index) => {
      images.set(createHash('sha1').update(tile).digest('base64'), `${name}#${index}`);
    });
    if (isTest) testCount += tiles.length;
    else trainCount += tiles.length;
  }
  const problems: string[] = [];
  for (const [part, name] of testParts) {
    const other = trainParts.get(part);
    if (other !== undefined) problems.push(`${part} of ${name} is also in ${other}`);
  }
  for (const [digest, name] of testImages) {
    const other = trainImages.get(digest);
    if (other !== undefined) problems.push(`image ${name} is also ${other}`);
  }
  if (problems.length > 0) {
    throw new Error(`leak check FAILED:\n  ${problems.slice(0, 40).join('\n  ')}`);
  }
  console.log(
    `leak check passed: ${testCount} test images (${testParts.size} sources) against ` +
      `${trainCount} training images (${trainParts.size} sources)`,
  );
}
