import { join } from 'node:path';
import { truncate } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseHeader } from '../../../main/checkpoints/header.ts';
import { checkLayout } from '../../../main/checkpoints/layout.ts';
import { openSafetensors } from '../../../main/checkpoints/safetensors.ts';
import { AppError } from '../../../main/lib/errors.ts';
import { malformedCases, unreadableCases, type MalformedCase } from './malformed-cases.ts';
import { appErrorOf, entry, file, save, useFolder, processorMs } from './support.ts';

const folder = useFolder();

function expectGoodMessage(error: AppError, { code, tensor }: MalformedCase): void {
  expect(error.code).toBe(code);
  expect(error.where).toContain('case.safetensors');
  if (tensor !== undefined) expect(error.where).toContain(`tensor "${tensor}" of `);
  expect(error.what).not.toBe('');
  expect(error.hint).not.toBe('');
  expect(error.message.length).toBeLessThan(800);
  // Nothing of the file may reach a terminal unescaped.
  expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
}

describe('malformed files are refused with their own error', () => {
  it.each(malformedCases)('S$title → $code', async (malformed) => {
    const path = await save(join(folder(), 'case.safetensors'), malformed.build());
    const before = processorMs();
    const error = await appErrorOf(openSafetensors(path));
    expectGoodMessage(error, malformed);
    expect(processorMs() - before).toBeLessThan(3000);
  });

  it.each(unreadableCases)('S$title → $code', async (malformed) => {
    const path = await save(join(folder(), 'case.safetensors'), malformed.build());
    const checkpoint = await openSafetensors(path);
    expectGoodMessage(await appErrorOf(checkpoint.read('w')), malformed);
  });

  it('S6 a header just above the limit, in a file that is that big, costs nothing', async () => {
    const path = join(folder(), 'case.safetensors');
    await save(path, file('{}', 0, 100_000_001n));
    await truncate(path, 8 + 100_000_001);
    const before = process.memoryUsage().rss;
    const error = await appErrorOf(openSafetensors(path));
    expect(error.code).toBe('checkpoint.header_too_large');
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 ** 2);
  });

  it('S6 a header at the limit that is no JSON is refused before it is read', async () => {
    const path = join(folder(), 'case.safetensors');
    await save(path, file('\0', 0, 100_000_000n));
    await truncate(path, 8 + 100_000_000);
    const before = process.memoryUsage().arrayBuffers;
    const error = await appErrorOf(openSafetensors(path));
    expect(error.code).toBe('checkpoint.header_not_json');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 ** 2);
  });

  it('a long tensor name is cut at 120 characters in the message', async () => {
    const name = 'n'.repeat(300);
    const path = await save(join(folder(), 'case.safetensors'), file(`{"${name}":1}`));
    const { where } = await appErrorOf(openSafetensors(path));
    expect(where).toContain(`tensor "${'n'.repeat(119)}…" of`);
  });
});

describe('S49 a valid file', () => {
  const header = `{${entry('a', '[0,4]')},${entry('b', '[4,12]', '[2,1]')}}`;
  const whole = file(header, Buffer.from([...Array(12).keys()]));

  it('cut at every byte is refused', async () => {
    const path = join(folder(), 'case.safetensors');
    for (let length = 0; length < whole.length; length++) {
      await save(path, whole.subarray(0, length));
      const { code } = await appErrorOf(openSafetensors(path));
      const expected =
        length < 8 ? 'too_short' : length < 8 + header.length ? 'header_past_end' : 'truncated';
      expect(code, `cut at ${length}`).toBe(`checkpoint.${expected}`);
    }
  });

  it('with any one bit of its header flipped is refused, or keeps every byte range', () => {
    const bytes = Buffer.from(header);
    let refused = 0;
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      try {
        const { entries } = parseHeader(flipped, 'case.safetensors');
        checkLayout(entries.values(), 12, 'case.safetensors');
        const ranges = [...entries.values()].map(({ begin, end }) => [begin, end]);
        expect(ranges, `bit ${bit}`).toEqual([
          [0, 4],
          [4, 12],
        ]);
      } catch (error) {
        expect(error, `bit ${bit}`).toBeInstanceOf(AppError);
        refused++;
      }
    }
    // What is left are other letters in a name, another dtype of the same size, [2,1] as [1,2].
    expect(refused).toBeGreaterThan(bytes.length * 7);
  });
});
