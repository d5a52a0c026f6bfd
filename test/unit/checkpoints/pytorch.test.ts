/** PyTorch files: fifty kinds of malice refused by their own error, and odd files that are sound. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../main/checkpoints/open.ts';
import { expectFailure } from '../../support/app-errors.ts';
import { flipped, laughs, MARKER, pyTorchCases } from './pytorch-cases.ts';
import {
  archive,
  dict,
  fourValues,
  get,
  global,
  int,
  join,
  legacy,
  list,
  op,
  ordered,
  parameter,
  pickle,
  put,
  reduce,
  stateDict,
  storage,
  tensor,
  text,
  tuple,
  u64,
  zip,
} from './pytorch-files.ts';
import { processorMs, save, useFolder } from './support.ts';

const folder = useFolder();
const path = (): string => joinPath(folder(), 'case.pt');
const opened = async (bytes: Uint8Array) => openCheckpoint(await save(path(), bytes));
const values = async (bytes: Uint8Array, name = 'w') => [
  ...(await (await opened(bytes)).read(name)).data,
];

describe('malicious and damaged files are refused with their own error', () => {
  it.each(pyTorchCases)('P$title → $code', async ({ code, build }) => {
    await save(path(), build());
    const before = processorMs();
    const error = await expectFailure(openCheckpoint(path()), code);
    expect(processorMs() - before).toBeLessThan(20_000);
    expect(error.where).toContain('case.pt');
    expect(error.message.length).toBeLessThan(900);
    expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
    // No payload ran, here or in the folder of the program.
    expect(await readdir(folder())).toEqual(['case.pt']);
    expect(existsSync(MARKER)).toBe(false);
  });

  it('P36 a flipped bit of a weight is seen when the tensor is read, and before its place is told', async () => {
    const checkpoint = await opened(flipped(archive(stateDict(['w', tensor()])), fourValues));
    expect(checkpoint.locate('w')).toBeUndefined();
    await expectFailure(checkpoint.read('w'), 'checkpoint.checksum_mismatch');
    await expectFailure(checkpoint.verify('w'), 'checkpoint.checksum_mismatch');
    expect(checkpoint.locate('w')).toBeUndefined();
  });

  it('P36 unless the person says so, which is said', async () => {
    const bytes = flipped(archive(stateDict(['w', tensor()])), fourValues);
    const checkpoint = await openCheckpoint(await save(path(), bytes), { ignoreChecksums: true });
    expect((await checkpoint.read('w')).data).toHaveLength(4);
    expect(checkpoint.warnings).toEqual(['The checksums of its weights were not compared.']);
  });

  it('a refused name comes with what to do', async () => {
    const hintFor = async (module: string, name: string): Promise<string> => {
      await save(path(), archive(pickle(reduce(global(module, name)))));
      return (await expectFailure(openCheckpoint(path()), 'checkpoint.pickle_global')).hint;
    };
    expect(await hintFor('open_clip.model', 'CLIP')).toContain('state_dict()');
    expect(await hintFor('src.modeling', 'ImageEncoder')).toContain('state_dict()');
    expect(await hintFor('numpy.core.multiarray', 'scalar')).toContain('NumPy');
    expect(await hintFor('os', 'system')).toContain('trust');
  });
});

describe('odd but sound files are read', () => {
  it('the plain one, and where its bytes lie once their checksum is known', async () => {
    const bytes = archive(stateDict(['w', tensor()]));
    const checkpoint = await opened(bytes);
    expect((await checkpoint.read('w')).shape).toEqual([2, 2]);
    const place = checkpoint.locate('w')!;
    expect(bytes.subarray(place.begin, place.end)).toEqual(fourValues);
  });

  it('with sizes in local headers, and without 64-bit records', async () => {
    const pickled = stateDict(['w', tensor()]);
    for (const options of [
      { descriptors: false },
      { wide: false },
      { descriptors: false, wide: false },
    ]) {
      expect(await values(archive(pickled, undefined, options))).toEqual([1, 2, 3, 4]);
    }
  });

  it('with 64-bit sizes in the extra field', async () => {
    const wide = join(Buffer.from([1, 0, 16, 0]), u64(16), u64(16));
    const big = { size: 0xffffffff, packed: 0xffffffff };
    const bytes = zip([
      { name: 'm/data.pkl', data: stateDict(['w', tensor()]) },
      { name: 'm/data/0', data: fourValues, central: { ...big, extra: wide } },
    ]);
    expect(await values(bytes)).toEqual([1, 2, 3, 4]);
  });

  it('P27 big-endian numbers, turned round', async () => {
    const turned = Buffer.from(fourValues).swap32();
    const records = { byteorder: Buffer.from('big'), 'data/0': turned };
    const checkpoint = await opened(archive(stateDict(['w', tensor()]), records));
    expect([...(await checkpoint.read('w')).data]).toEqual([1, 2, 3, 4]);
    expect(checkpoint.locate('w')).toBeUndefined();
    expect(checkpoint.warnings.join()).toContain('big-endian');
    const view = tensor({ stride: tuple(int(1), int(2)) });
    expect(await values(archive(stateDict(['w', view]), records))).toEqual([1, 3, 2, 4]);
  });

  it('P33 billion laughs beside weights, each node visited once', async () => {
    const before = processorMs();
    const bytes = archive(pickle(dict([text('w'), tensor()], [text('note'), laughs()])));
    expect(await values(bytes)).toEqual([1, 2, 3, 4]);
    expect(processorMs() - before).toBeLessThan(1000);
  });

  it('P21 an expanded view of a reasonable size', async () => {
    const view = tensor({ size: tuple(int(2), int(3)), stride: tuple(int(0), int(1)) });
    expect(await values(archive(stateDict(['w', view])))).toEqual([1, 2, 3, 1, 2, 3]);
  });

  it('P47 keys that are no text, where no tensor stands', async () => {
    const beside = dict([int(0), int(1)], [tuple(int(1), int(2)), text('x')]);
    expect(
      await values(archive(pickle(dict([text('w'), tensor()], [text('state'), beside])))),
    ).toHaveLength(4);
  });

  it('P49 a list that holds itself beside weights', async () => {
    const loop = join(op(']'), put(0), get(0), op('a'));
    expect(
      await values(archive(pickle(dict([text('w'), tensor()], [text('x'), loop])))),
    ).toHaveLength(4);
  });

  it('an OrderedDict with attributes, of Python 3 and of Python 2', async () => {
    const three = join(
      ordered(),
      op('('),
      text('w'),
      tensor(),
      op('u'),
      dict([text('_metadata'), ordered()]),
      op('b'),
    );
    expect(await values(archive(pickle(three)))).toHaveLength(4);
    const two = reduce(global('collections', 'OrderedDict'), list(list(text('w'), tensor())));
    expect(await values(archive(pickle(two)))).toHaveLength(4);
  });

  it('a Parameter, an old tensor without hooks, a tensor with empty metadata', async () => {
    expect(await values(archive(stateDict(['w', parameter(tensor())])))).toHaveLength(4);
    const old = reduce(
      global('torch._utils', '_rebuild_tensor'),
      storage(),
      int(0),
      tuple(int(4)),
      tuple(int(1)),
    );
    expect(await values(archive(stateDict(['w', old])))).toEqual([1, 2, 3, 4]);
    expect(await values(archive(stateDict(['w', tensor({ more: [dict()] })])))).toHaveLength(4);
  });

  it('one tensor alone', async () => {
    expect(await values(archive(pickle(tensor())), 'tensor')).toEqual([1, 2, 3, 4]);
  });

  it('the legacy form, also with its pickle beyond the first look', async () => {
    expect(await values(legacy(stateDict(['w', tensor()])))).toEqual([1, 2, 3, 4]);
    const note = text('x'.repeat(500_000));
    const bytes = legacy(pickle(dict([text('w'), tensor()], [text('note'), note])));
    expect(await values(bytes)).toEqual([1, 2, 3, 4]);
  });
});

describe('weights wrapped by training programs', () => {
  const weights = (name = 'w') => dict([text(name), tensor()]);

  it.each(['state_dict', 'model', 'model_state_dict', 'ema'])('under %s', async (key) => {
    const checkpoint = await opened(
      archive(pickle(dict([text('epoch'), int(7)], [text(key), weights()]))),
    );
    expect([...checkpoint.tensors.keys()]).toEqual(['w']);
    expect(checkpoint.warnings).toEqual([`The weights are those under "${key}".`]);
    expect(checkpoint.metadata.get('epoch')).toBe('7');
  });

  it('two levels deep, with module._orig_mod. before every name', async () => {
    const inner = dict([text('state_dict'), weights('module._orig_mod.w')]);
    const checkpoint = await opened(archive(pickle(dict([text('model'), inner]))));
    expect([...checkpoint.tensors.keys()]).toEqual(['w']);
    expect(checkpoint.warnings).toEqual([
      'The weights are those under "model" → "state_dict".',
      '"module._orig_mod." before every name is left out.',
    ]);
    expect([...(await checkpoint.read('w')).data]).toEqual([1, 2, 3, 4]);
    expect(checkpoint.locate('w')).toBeDefined();
  });

  it('module. stays where not every name has it', async () => {
    const bytes = archive(stateDict(['module.w', tensor()], ['other', tensor()]));
    expect([...(await opened(bytes)).tensors.keys()]).toEqual(['module.w', 'other']);
  });

  it('with other weights and other entries beside them, which are named', async () => {
    const root = dict([text('model'), weights()], [text('ema'), weights()]);
    const checkpoint = await opened(archive(pickle(root)));
    expect(checkpoint.warnings).toContain('Other weights are left out: "ema".');
    const mixed = archive(pickle(dict([text('w'), tensor()], [text('step'), int(1)])));
    const [warning] = (await opened(mixed)).warnings;
    expect(warning).toBe('1 entry that is no tensor was left out ("step" first).');
  });

  it('in parts of other names, whose keys become prefixes', async () => {
    const root = dict([text('encoder'), weights()], [text('decoder'), weights()]);
    expect([...(await opened(archive(pickle(root)))).tensors.keys()]).toEqual([
      'encoder.w',
      'decoder.w',
    ]);
  });

  it('shared by several names', async () => {
    const shared = dict(
      [text('a'), join(tensor(), put(0))],
      [text('b'), get(0)],
      [text('c'), tensor({ offset: int(1), size: tuple(int(1)), stride: tuple(int(1)) })],
    );
    const checkpoint = await opened(archive(pickle(shared)));
    expect(checkpoint.source.shared).toEqual([['a', 'b', 'c']]);
    expect(checkpoint.warnings.join()).toContain('3 tensors share their bytes');
    expect([...(await checkpoint.read('c')).data]).toEqual([2]);
  });
});
