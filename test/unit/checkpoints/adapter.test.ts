/** What is wrong with an adapter is said when it is opened or put on its base; tied tensors; names of CLIP. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openAdapter } from '../../../main/checkpoints/adapter.ts';
import { applyAdapter } from '../../../main/checkpoints/apply-adapter.ts';
import { asHuggingFaceClip } from '../../../main/checkpoints/clip-names.ts';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { tiedNames } from '../../../main/checkpoints/tied.ts';
import { viewed } from '../../../main/checkpoints/views.ts';
import type { ErrorCode } from '../../../main/lib/error-codes.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { archive, int, stateDict, tensor, tuple } from './pytorch-files.ts';
import { file, fp32, save, useFolder } from './support.ts';

const root = useFolder();
let folder = '';
let count = 0;

beforeEach(async () => {
  folder = join(root(), String(count++));
  await mkdir(folder);
});

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A safetensors file of these shapes, filled with 1, 2, 3, … */
function tensors(shapes: Shapes, metadata = ''): Uint8Array {
  let end = 0;
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const begin = end;
    end += 4 * shape.reduce((product, size) => product * size, 1);
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype: 'F32', shape, data_offsets: [begin, end] })}`;
  });
  const values = Array.from({ length: end / 4 }, (_, i) => i + 1);
  return file(`{${metadata}${entries.join(',')}}`, fp32(...values));
}

const sound = { peft_type: 'LORA', r: 1, lora_alpha: 2 };
const factors: Shapes = {
  'base_model.model.fc.lora_A.weight': [1, 3],
  'base_model.model.fc.lora_B.weight': [2, 1],
};

async function adapter(config: unknown = sound, shapes: Shapes = factors): Promise<string> {
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  await writeFile(join(folder, 'adapter_config.json'), text);
  await save(join(folder, 'adapter_model.safetensors'), tensors(shapes));
  return folder;
}

async function base(shapes: Shapes = { 'fc.weight': [2, 3] }) {
  return openCheckpoint(await save(join(folder, 'base.safetensors'), tensors(shapes)));
}

describe('an adapter', () => {
  it('is base + alpha / r · B·A', async () => {
    const adapted = applyAdapter(await base(), await openAdapter(await adapter()));
    // A = [1 2 3], B = [4; 5], s = 2, base = 1 … 6.
    expect([...(await adapted.read('fc.weight')).data]).toEqual([9, 18, 27, 14, 25, 36]);
    expect(adapted.tensors.get('fc.weight')?.dtype).toBe('F32');
    expect(adapted.warnings.at(-1)).toContain('rank 1');
    await expectFailure(adapted.read('other'), 'checkpoint.tensor_missing');
    await adapted.close();
  });

  it('may be a PyTorch file, and name its adapter', async () => {
    await adapter();
    await rm(join(folder, 'adapter_model.safetensors'));
    const row = tensor({ size: tuple(int(1), int(3)), stride: tuple(int(3), int(1)) });
    const column = tensor({ size: tuple(int(2), int(1)), stride: tuple(int(1), int(1)) });
    const pickled = stateDict(
      ['base_model.model.fc.lora_A.default.weight', row],
      ['base_model.model.fc.lora_B.default.weight', column],
    );
    await save(join(folder, 'adapter_model.bin'), archive(pickled));
    const adapted = applyAdapter(await base(), await openAdapter(folder));
    expect([...(await adapted.read('fc.weight')).data]).toEqual([3, 6, 9, 8, 13, 18]);
  });

  it('finds weights of a base that was saved without its head', async () => {
    const shapes = {
      'base_model.model.transformer.fc.lora_A.weight': [1, 3],
      'base_model.model.transformer.fc.lora_B.weight': [2, 1],
    };
    const opened = await openAdapter(await adapter(sound, shapes));
    expect(applyAdapter(await base(), opened).locate('fc.weight')).toBeUndefined();
  });

  interface Bad {
    readonly config: unknown;
    readonly shapes?: Shapes;
  }
  const bad: readonly (readonly [title: string, code: ErrorCode, adapter: Bad])[] = [
    ['no JSON', 'adapter.config_invalid', { config: '{' }],
    ['JSON of another kind', 'adapter.config_invalid', { config: [] }],
    ['no rank', 'adapter.config_invalid', { config: { ...sound, r: undefined } }],
    ['a rank of 0', 'adapter.config_invalid', { config: { ...sound, r: 0 } }],
    ['alpha a text', 'adapter.config_invalid', { config: { ...sound, lora_alpha: '2' } }],
    ['another kind', 'adapter.unsupported', { config: { ...sound, peft_type: 'IA3' } }],
    [
      'another kind without a rank',
      'adapter.unsupported',
      { config: { peft_type: 'PREFIX_TUNING' } },
    ],
    ['DoRA', 'adapter.unsupported', { config: { ...sound, use_dora: true } }],
    [
      'DoRA by its tensors',
      'adapter.unsupported',
      { config: sound, shapes: { ...factors, 'fc.lora_magnitude_vector': [2] } },
    ],
    [
      'a bias of its own',
      'adapter.unsupported',
      { config: sound, shapes: { ...factors, 'fc.lora_B.bias': [2] } },
    ],
    [
      'a pattern that is an expression',
      'adapter.unsupported',
      { config: { ...sound, rank_pattern: { '(a+)+$': 2 } } },
    ],
    ['another rank', 'adapter.tensor_invalid', { config: { ...sound, r: 4 } }],
    [
      'a rank other than its pattern',
      'adapter.tensor_invalid',
      { config: { ...sound, rank_pattern: { fc: 3 } } },
    ],
    [
      'A alone',
      'adapter.tensor_invalid',
      { config: sound, shapes: { 'base_model.model.fc.lora_A.weight': [1, 3] } },
    ],
    [
      'B alone',
      'adapter.tensor_invalid',
      { config: sound, shapes: { 'base_model.model.fc.lora_B.weight': [2, 1] } },
    ],
    [
      'A and B that do not fit',
      'adapter.tensor_invalid',
      { config: sound, shapes: { ...factors, 'base_model.model.fc.lora_B.weight': [1, 2] } },
    ],
    [
      'A twice',
      'adapter.tensor_invalid',
      { config: sound, shapes: { ...factors, 'base_model.model.fc.lora_A.other.weight': [1, 3] } },
    ],
    [
      'a kernel in B',
      'adapter.tensor_invalid',
      {
        config: sound,
        shapes: { 'c.lora_A.weight': [1, 2, 3, 3], 'c.lora_B.weight': [2, 1, 3, 3] },
      },
    ],
  ];
  it.each(bad)('with %s → %s', async (_title, code, { config, shapes }) => {
    const error = await expectFailure(openAdapter(await adapter(config, shapes)), code);
    expect(error.where).toContain('adapter_');
  });

  it('without its configuration, its weights, or a folder', async () => {
    await expectFailure(openAdapter(folder), 'adapter.config_invalid');
    await adapter();
    await rm(join(folder, 'adapter_model.safetensors'));
    await expectFailure(openAdapter(folder), 'checkpoint.no_weights');
    await expectFailure(openAdapter(join(folder, 'nowhere')), 'adapter.config_invalid');
  });

  const others: readonly (readonly [title: string, shapes: Shapes, tensor: string])[] = [
    ['a missing weight', { 'other.weight': [2, 3] }, 'fc.weight'],
    ['another shape', { 'fc.weight': [3, 2] }, 'fc.weight'],
    ['another rank of shape', { 'fc.weight': [2, 3, 1] }, 'fc.weight'],
  ];
  it.each(others)('on a base with %s → adapter.mismatch', async (_title, shapes, name) => {
    const opened = await openAdapter(await adapter());
    const model = await base(shapes);
    const error = await expectFailure(() => applyAdapter(model, opened), 'adapter.mismatch');
    expect(error.where).toContain(`tensor "${name}"`);
  });

  it('with a replacement of another shape → adapter.mismatch', async () => {
    const opened = await openAdapter(
      await adapter(sound, { ...factors, 'base_model.model.fc.bias': [3] }),
    );
    const model = await base({ 'fc.weight': [2, 3], 'fc.bias': [2] });
    await expectFailure(() => applyAdapter(model, opened), 'adapter.mismatch');
  });
});

describe('tied tensors', () => {
  it('that the metadata names', async () => {
    const metadata = '"__metadata__":{"head.weight":"embed.weight","format":"pt"},';
    const path = await save(
      join(folder, 'tied.safetensors'),
      tensors({ 'embed.weight': [1] }, metadata),
    );
    const checkpoint = await openCheckpoint(path);
    expect([...tiedNames(checkpoint)]).toEqual([['head.weight', 'embed.weight']]);
    expect(checkpoint.warnings).toEqual([
      '"head.weight" is tied to "embed.weight"; it is not stored on its own.',
    ]);
  });

  it('that config.json names, unless the layer is stored', async () => {
    await writeFile(join(folder, 'config.json'), '{"tie_word_embeddings":true}');
    const path = join(folder, 'model.safetensors');
    await save(path, tensors({ 'model.embed_tokens.weight': [1] }));
    const tied = [['lm_head.weight', 'model.embed_tokens.weight']];
    expect([...tiedNames(await openCheckpoint(folder))]).toEqual(tied);
    await save(path, tensors({ 'model.embed_tokens.weight': [1], 'lm_head.weight': [1] }));
    expect([...tiedNames(await openCheckpoint(folder))]).toEqual([]);
  });
});

describe('views under other names', () => {
  it.each(['', 'model.', 'image_encoder.model.'])('OpenCLIP names after %j', async (prefix) => {
    const block = `${prefix}visual.transformer.resblocks.0.`;
    const shapes = {
      [`${block}attn.in_proj_weight`]: [6, 2],
      [`${prefix}visual.proj`]: [2, 3],
      [`${prefix}unknown`]: [1],
    };
    const path = await save(join(folder, 'm.safetensors'), tensors(shapes));
    const mapped = asHuggingFaceClip(await openCheckpoint(path))!;
    const key = 'vision_model.encoder.layers.0.self_attn.k_proj.weight';
    expect([...(await mapped.read(key)).data]).toEqual([5, 6, 7, 8]);
    expect(await mapped.read('visual_projection.weight')).toEqual({
      shape: [3, 2],
      data: new Float32Array([13, 16, 14, 17, 15, 18]),
    });
    expect(mapped.warnings.at(-1)).toContain(`("${prefix}unknown" first)`);
  });

  it('that do not fit are refused when they are made', async () => {
    const model = await base({ w: [4, 2], v: [2, 3], s: [] });
    const bad = [
      { parts: [{ from: 'w', rows: [0, 5] as const }] },
      { parts: [{ from: 'w', rows: [0, 4 / 3] as const }] },
      { parts: [{ from: 'w' }, { from: 'v' }] },
      { parts: [{ from: 's' }], transposed: true },
    ];
    for (const view of bad) {
      await expectFailure(() => viewed(model, new Map([['x', view]])), 'checkpoint.shape_invalid');
    }
    const gone = new Map([['x', { parts: [{ from: 'gone' }] }]]);
    await expectFailure(() => viewed(model, gone), 'checkpoint.tensor_missing');
  });
});
