import { describe, expect, it } from 'vitest';
import type { IndexFile } from '../../../main/hub/package-index.ts';
import { wheelNeeds, type WheelNeed } from '../../../main/setup/sources.ts';
import { chooseWheel, thisMachine, type Machine } from '../../../main/setup/wheels.ts';

const fileOf = ([name, size]: readonly [string, number]): IndexFile => ({
  name,
  size,
  address: new URL(`https://files.example/${name}`),
  sha256: '0'.repeat(64),
});
const linux: Machine = { platform: 'linux', architecture: 'x64', glibc: '2.36' };
const need = (version: WheelNeed['version']): WheelNeed => ({
  project: 'thing',
  version,
  placements: [],
});

const files = [
  ['thing-2.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl', 20],
  ['thing-2.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl', 10],
  ['thing-2.0-cp312-cp312-manylinux_2_28_aarch64.whl', 5],
  ['thing-2.0-cp312-cp312-macosx_12_0_arm64.whl', 5],
  ['thing-2.0-cp312-cp312-win_amd64.whl', 5],
  ['thing-2.10-1-py3-none-manylinux2014_x86_64.whl', 10],
  ['thing-2.11rc1-py3-none-manylinux2014_x86_64.whl', 10],
  ['thing-3.0-py3-none-manylinux_2_39_x86_64.whl', 10],
  ['thing-2.0.tar.gz', 1],
].map((row) => fileOf(row as [string, number]));

const named = (machine: Machine, version: WheelNeed['version']): string | undefined =>
  chooseWheel(files, need(version), machine)?.file.name;

describe('the choice of a wheel', () => {
  it('is the smallest of one version for the machine', () => {
    expect(named(linux, '2.0')).toBe(files[1]?.name);
    expect(named({ ...linux, architecture: 'arm64' }, '2.0')).toBe(files[2]?.name);
    expect(named({ platform: 'darwin', architecture: 'arm64', glibc: undefined }, '2.0')).toBe(
      files[3]?.name,
    );
  });

  it('is the newest release of several versions, by number and not by letter', () => {
    expect(named(linux, { atLeast: '2.0', below: '3' })).toBe(files[5]?.name);
    expect(named(linux, { atLeast: '2.0', below: '2.10' })).toBe(files[1]?.name);
  });

  it('respects the C library', () => {
    expect(named(linux, '3.0')).toBeUndefined();
    expect(named({ ...linux, glibc: '2.39' }, '3.0')).toBe(files[7]?.name);
    expect(named({ ...linux, glibc: '2.12' }, '2.0')).toBeUndefined();
    expect(named({ ...linux, glibc: undefined }, '2.0')).toBeUndefined();
  });

  it('knows the C library of this machine where it has one', ({ skip }) => {
    const { glibc } = thisMachine();
    if (process.platform !== 'linux') skip('not Linux');
    expect(glibc ?? '2.17').toMatch(/^2\.\d+$/);
  });
});

it('takes the libraries and few of the headers out of a wheel', () => {
  const [{ placements } = need('')] = wheelNeeds['linux-x64-cpu'] ?? [];
  const taken = (path: string): string | undefined =>
    placements.find(({ match }) => match.test(path))?.kind;
  expect(taken('tensorflow/libtensorflow_cc.so.2')).toBe('library');
  expect(taken('tensorflow/libtensorflow_framework.so.2')).toBe('library');
  expect(taken('tensorflow/include/tensorflow/c/eager/c_api.h')).toBe('header');
  expect(taken('tensorflow/include/tensorflow/core/framework/tensor.h')).toBeUndefined();
  expect(taken('tensorflow/python/_pywrap.so')).toBeUndefined();
  const cuda = wheelNeeds['linux-x64-gpu']?.find(({ project }) => project.includes('cudnn'));
  const place = cuda?.placements[0]?.match;
  expect('nvidia/cudnn/lib/libcudnn.so.9').toMatch(place!);
  expect('nvidia/cudnn/include/cudnn.h').not.toMatch(place!);
});
