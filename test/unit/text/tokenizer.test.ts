/** Tokenizer files that are missing, damaged or another model's; the ids themselves are golden. */
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { readTokenizer } from '../../../main/text/tokenizer.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { changedCopy, clipFolder, laterClipFolder, textOf } from '../../support/tiny-clip.ts';

describe('a text that is too long', () => {
  it('loses tokens before its end token', async () => {
    const tokenizer = await readTokenizer(clipFolder);
    const whole = tokenizer.ids('a photo of a cat', 77);
    expect(whole).toHaveLength(7);
    expect(tokenizer.ids('a photo of a cat', 7)).toEqual(whole);
    expect(tokenizer.ids('a photo of a cat', 4)).toEqual([...whole.slice(0, 3), whole.at(-1)]);
  });
});

describe('tokenizer files', () => {
  it('are found beside a weight file too', async () => {
    const beside = await readTokenizer(join(clipFolder, 'model.safetensors'));
    expect(beside.ids('cat', 9)).toEqual((await readTokenizer(clipFolder)).ids('cat', 9));
  });

  it('of both forms give the same ids, and may have lines that end in CR LF', async () => {
    const merges = await textOf(laterClipFolder, 'merges.txt');
    const folder = await changedCopy(laterClipFolder, {
      'merges.txt': merges.replaceAll('\n', '\r\n'),
    });
    const text = 'A photo of traffic signs: café!';
    const wanted = (await readTokenizer(clipFolder)).ids(text, 77);
    expect((await readTokenizer(laterClipFolder)).ids(text, 77)).toEqual(wanted);
    expect((await readTokenizer(folder)).ids(text, 77)).toEqual(wanted);
  });

  it('have an identity that follows their content', async () => {
    const merges = await textOf(laterClipFolder, 'merges.txt');
    const shorter = merges.split('\n').slice(0, -2).join('\n');
    const changed = await changedCopy(laterClipFolder, { 'merges.txt': shorter });
    const same = await changedCopy(laterClipFolder, {});
    const { identity } = await readTokenizer(laterClipFolder);
    expect((await readTokenizer(same)).identity).toBe(identity);
    expect((await readTokenizer(changed)).identity).not.toBe(identity);
  });

  it('that are missing are text.tokenizer_missing', async () => {
    const without = await changedCopy(clipFolder, { 'tokenizer.json': null });
    expect((await expectFailure(readTokenizer(without), 'text.tokenizer_missing')).where).toBe(
      without,
    );
    const half = await changedCopy(laterClipFolder, { 'merges.txt': null });
    await expectFailure(readTokenizer(half), 'text.tokenizer_missing');
  });

  test.each<[string, string]>([
    ['no JSON', '{'],
    ['JSON of something else', '{"version": "1.0"}'],
    ['a list', '[]'],
    [
      'a tokenizer without start and end',
      JSON.stringify({
        version: '1.0',
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: null,
        post_processor: null,
        decoder: null,
        model: { type: 'BPE', vocab: { a: 0 }, merges: [] },
      }),
    ],
  ])('that are %s are text.tokenizer_invalid', async (_what, text) => {
    const folder = await changedCopy(clipFolder, { 'tokenizer.json': text });
    const error = await expectFailure(readTokenizer(folder), 'text.tokenizer_invalid');
    expect(error.where).toBe(join(folder, 'tokenizer.json'));
  });

  it('whose vocabulary lacks the end token are text.tokenizer_invalid', async () => {
    const vocabulary = await textOf(laterClipFolder, 'vocab.json');
    const folder = await changedCopy(laterClipFolder, {
      'vocab.json': vocabulary.replace('<|endoftext|>', 'end'),
    });
    await expectFailure(readTokenizer(folder), 'text.tokenizer_invalid');
  });
});
