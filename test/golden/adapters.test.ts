/** Adapters merged by PEFT, and a CLIP model that OpenCLIP and transformers both compute with. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAdapter } from '../../main/checkpoints/adapter.ts';
import { applyAdapter } from '../../main/checkpoints/apply-adapter.ts';
import type { StoredCheckpoint } from '../../main/checkpoints/checkpoint.ts';
import { asHuggingFaceClip, asOpenClip } from '../../main/checkpoints/clip-names.ts';
import { checkpointFingerprint } from '../../main/checkpoints/fingerprint.ts';
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import { expectFailure } from '../support/app-errors.ts';

const adapters = join(import.meta.dirname, 'adapters');
const clip = join(import.meta.dirname, 'clip');
const base = (): Promise<StoredCheckpoint> => openCheckpoint(join(adapters, 'base.safetensors'));

async function adapted(name: string): Promise<StoredCheckpoint> {
  return applyAdapter(await base(), await openAdapter(join(adapters, name)));
}

/** Stored bytes as fp32, to compare `chunks` with `read`. */
async function storedValues(checkpoint: StoredCheckpoint, name: string): Promise<number[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of checkpoint.chunks(name)) pieces.push(piece);
  return [...new Float32Array(Uint8Array.from(Buffer.concat(pieces)).buffer)];
}

describe('base + s·B·A', () => {
  const changed = {
    linear: ['first.weight', 'second.weight'],
    patterns: ['first.weight', 'second.weight'],
    convolution: ['embed.weight', 'conv.weight'],
    turned: ['turned.weight'],
  };
  it.each(Object.entries(changed))('%s is what PEFT merges', async (name, weights) => {
    const checkpoint = await adapted(name);
    const expected = await openCheckpoint(join(adapters, `${name}.safetensors`));
    expect(new Set(checkpoint.tensors.keys())).toEqual(new Set(expected.tensors.keys()));
    for (const [key, { shape }] of expected.tensors) {
      const [read, wanted] = [await checkpoint.read(key), await expected.read(key)];
      expect(read.shape).toEqual(shape);
      for (const [i, value] of wanted.data.entries()) expect(read.data[i]).toBeCloseTo(value, 6);
      expect(await storedValues(checkpoint, key)).toEqual([...read.data]);
      expect(checkpoint.locate(key) === undefined, key).toBe(weights.includes(key));
    }
    const before = await base();
    for (const key of weights) {
      expect((await checkpoint.read(key)).data).not.toEqual((await before.read(key)).data);
    }
  });

  it('the record of its configuration', async () => {
    const { config, pairs, replacements } = await openAdapter(join(adapters, 'patterns'));
    expect(config).toMatchObject({
      rank: 2,
      alpha: 3,
      rankStabilised: true,
      rankPattern: { second: 3 },
      alphaPattern: { first: 5 },
      bias: 'all',
      modulesToSave: ['norm'],
    });
    expect(pairs.get('first.weight')).toMatchObject({ rank: 2, scaling: 5 / Math.sqrt(2) });
    expect(pairs.get('second.weight')).toMatchObject({ rank: 3, scaling: 3 / Math.sqrt(3) });
    expect([...replacements.keys()]).toContain('norm.weight');
  });

  it('DoRA is refused', async () => {
    const error = await expectFailure(openAdapter(join(adapters, 'dora')), 'adapter.unsupported');
    expect(error.message).toMatch(/DoRA.*merge_and_unload/);
  });
});

describe("CLIP's two layouts", () => {
  const open = (name: string) => openCheckpoint(join(clip, `${name}.safetensors`));

  it('OpenCLIP names become those of transformers, byte for byte', async () => {
    const mapped = asHuggingFaceClip(await open('open_clip'))!;
    expect(await checkpointFingerprint(mapped)).toBe(
      await checkpointFingerprint(await open('hugging_face')),
    );
    expect(mapped.warnings).toEqual(['Its CLIP names are shown in the layout of Hugging Face.']);
    const [name] = mapped.tensors.keys();
    await expect(mapped.read(name!)).resolves.toBeDefined();
  });

  it('and the other way round', async () => {
    const mapped = asOpenClip(await open('hugging_face'))!;
    expect(await checkpointFingerprint(mapped)).toBe(
      await checkpointFingerprint(await open('open_clip')),
    );
  });

  it('values read are those stored', async () => {
    const mapped = asHuggingFaceClip(await open('open_clip'))!;
    for (const name of mapped.tensors.keys()) {
      expect([...(await mapped.read(name)).data], name).toEqual(await storedValues(mapped, name));
    }
  });

  it('rows cut out of a tensor can still be read by another thread; turned ones cannot', async () => {
    const mapped = asHuggingFaceClip(await open('open_clip'))!;
    const key = 'vision_model.encoder.layers.1.self_attn.k_proj.weight';
    const place = mapped.locate(key)!;
    expect(place.end - place.begin).toBe(mapped.tensors.get(key)!.byteLength);
    expect(mapped.locate('visual_projection.weight')).toBeUndefined();
  });

  it('a model in neither layout is left alone', async () => {
    expect(asHuggingFaceClip(await base())).toBeUndefined();
    expect(asOpenClip(await base())).toBeUndefined();
  });
});
