/** Zero-shot heads are kept by content; their values are golden. */
import { readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { asOpenClip } from '../../../main/checkpoints/clip-names.ts';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { writeSafetensors } from '../../../main/checkpoints/writer.ts';
import { openEngine } from '../../../main/engine/registry.ts';
import { loadHead, scaledHead } from '../../../main/models/head.ts';
import { openHeadMaker, writeHead, type ZeroShotHead } from '../../../main/text/head-maker.ts';
import type { Prompts } from '../../../main/text/prompts.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { changedCopy, clipFolder, laterClipFolder, textOf } from '../../support/tiny-clip.ts';

const prompts: Prompts = { classes: ['cat', 'dog'], templates: ['a photo of a {}.', 'the {}'] };
const reference = await openEngine('reference');

/** Heads of a model, and how often an engine was asked for. */
async function makeIn(
  cache: string,
  folder: string,
  ...wanted: Prompts[]
): Promise<{ heads: ZeroShotHead[]; engines: number }> {
  let engines = 0;
  const engine = () => {
    engines++;
    return Promise.resolve(reference);
  };
  const maker = await openHeadMaker(folder, { cache, engine });
  try {
    const heads: ZeroShotHead[] = [];
    for (const each of wanted) heads.push(await maker.make(each));
    return { heads, engines };
  } finally {
    await maker.close();
  }
}

describe('a head', () => {
  it('is made once, and read from then on with the same bits', async () => {
    const cache = join(await temporaryFolder(), 'heads');
    const first = await makeIn(cache, clipFolder, prompts, prompts);
    expect(first.engines).toBe(1);
    expect(await readdir(cache)).toEqual([`${first.heads[0]!.identity}.safetensors`]);
    const second = await makeIn(cache, clipFolder, prompts);
    expect(second.engines).toBe(0);
    expect(second.heads[0]).toEqual(first.heads[0]);
  });

  it('is another one for other names, another order, other templates, weights or tokens', async () => {
    const cache = await temporaryFolder();
    const merges = await textOf(laterClipFolder, 'merges.txt');
    const fewer = await changedCopy(laterClipFolder, { 'merges.txt': merges.slice(0, 80) });
    const later = await makeIn(cache, laterClipFolder, prompts);
    const found = [
      await makeIn(
        cache,
        clipFolder,
        prompts,
        { ...prompts, classes: ['dog', 'cat'] },
        { ...prompts, templates: ['the {}', 'a photo of a {}.'] },
      ),
      later,
      await makeIn(cache, fewer, prompts),
    ];
    const identities = found.flatMap(({ heads }) => heads.map(({ identity }) => identity));
    expect(new Set(identities).size).toBe(5);
    expect(found.map(({ engines }) => engines)).toEqual([1, 1, 1]);
  });

  it('is made again where the kept one is damaged', async () => {
    const cache = await temporaryFolder();
    const { heads } = await makeIn(cache, clipFolder, prompts);
    await truncate(join(cache, `${heads[0]!.identity}.safetensors`), 100);
    const again = await makeIn(cache, clipFolder, prompts);
    expect(again.engines).toBe(1);
    expect(again.heads).toEqual(heads);
    expect((await makeIn(cache, clipFolder, prompts)).engines).toBe(0);
  });

  it('is made where none can be kept', async () => {
    const file = join(await temporaryFolder(), 'a-file');
    await writeFile(file, '');
    const { heads } = await makeIn(join(file, 'heads'), clipFolder, prompts);
    expect(heads[0]!.weight.shape).toEqual([2, 10]);
  });

  it('is the same from weights in the layout of OpenCLIP', async () => {
    const cache = await temporaryFolder();
    const folder = await changedCopy(clipFolder, { 'model.safetensors': null });
    const checkpoint = await openCheckpoint(clipFolder);
    const openClip = asOpenClip(checkpoint)!;
    const tensors = [...openClip.tensors.values()].map(({ name, shape }) => ({
      name,
      dtype: 'F32' as const,
      shape,
      data: async () => (await openClip.read(name)).data,
    }));
    await writeSafetensors(join(folder, 'open_clip_model.safetensors'), tensors);
    await openClip.close();
    const found = await makeIn(cache, folder, prompts);
    const wanted = await makeIn(cache, clipFolder, prompts);
    expect(found.heads[0]!.weight).toEqual(wanted.heads[0]!.weight);
  });

  it('is read back from the file it is written to', async () => {
    const folder = await temporaryFolder();
    const { heads } = await makeIn(folder, clipFolder, prompts);
    const path = join(folder, 'pets.safetensors');
    await writeHead(path, heads[0]!);
    const checkpoint = await openCheckpoint(path);
    const read = await loadHead(checkpoint, 'pets', 10);
    await checkpoint.close();
    expect(checkpoint.metadata.get('classes')).toBe('["cat","dog"]');
    expect(read).toEqual(scaledHead('pets', heads[0]!));
    // Rows of length exp(logit scale); zero_shot.py sets the logarithm to 3.2.
    expect(Math.hypot(...read.weight.data.subarray(0, 10))).toBeCloseTo(Math.exp(3.2), 3);
  });
});

describe('a model that cannot make heads', () => {
  it('has no text encoder', async () => {
    const vision = new URL('../../golden/vit/gelu-projection-cropped', import.meta.url).pathname;
    await expectFailure(openHeadMaker(vision), 'model.config_invalid');
  });

  it('has a text encoder of other sizes than its config.json says', async () => {
    const config = await textOf(clipFolder, 'config.json');
    const wider = config.replace('"hidden_size": 12', '"hidden_size": 24');
    const folder = await changedCopy(clipFolder, { 'config.json': wider });
    const error = await expectFailure(openHeadMaker(folder), 'model.shape_mismatch');
    expect(error.what).toContain('text_model.embeddings.token_embedding.weight');
    const more = config.replace('"num_hidden_layers": 2', '"num_hidden_layers": 3');
    const missing = await changedCopy(clipFolder, { 'config.json': more });
    expect((await expectFailure(openHeadMaker(missing), 'model.tensor_missing')).what).toContain(
      'text_model.encoder.layers.2',
    );
  });

  it('has a tokenizer of another vocabulary', async () => {
    const json = JSON.parse(await textOf(clipFolder, 'tokenizer.json')) as {
      model: { vocab: Record<string, number> };
    };
    json.model.vocab['cat</w>'] = 60_000;
    const folder = await changedCopy(clipFolder, { 'tokenizer.json': JSON.stringify(json) });
    const error = await expectFailure(
      makeIn(await temporaryFolder(), folder, prompts),
      'text.tokenizer_invalid',
    );
    expect(error.what).toContain('60000');
  });
});
