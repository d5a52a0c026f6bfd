/** Odd but valid files that must open, and what is read from them. */
import { open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bitsPerElement, dtypeNames, type DType } from '../../../main/checkpoints/dtype.ts';
import { openSafetensors } from '../../../main/checkpoints/safetensors.ts';
import { entry, file, fp32, save, useFolder, PATIENCE, processorMs } from './support.ts';

const folder = useFolder();

async function opened(bytes: Uint8Array) {
  return openSafetensors(await save(join(folder(), 'odd.safetensors'), bytes));
}

describe('valid files that look odd are accepted', () => {
  it('no tensors at all', async () => {
    expect((await opened(file('{}'))).tensors.size).toBe(0);
  });

  it('a scalar', async () => {
    const checkpoint = await opened(file(`{${entry('w', '[0,4]', '[]')}}`, fp32(1.5)));
    expect(await checkpoint.read('w')).toEqual({ shape: [], data: new Float32Array([1.5]) });
  });

  it('tensors without elements, between and after others', async () => {
    const header = `{${entry('a', '[0,0]', '[0,3]')},${entry('b', '[0,4]')},${entry('c', '[4,4]', '[0,1099511627776]')}}`;
    const checkpoint = await opened(file(header, fp32(2)));
    expect((await checkpoint.read('a')).data.length).toBe(0);
    expect((await checkpoint.read('b')).data).toEqual(new Float32Array([2]));
    expect((await checkpoint.read('c')).shape).toEqual([0, 1099511627776]);
  });

  it('a header whose order is not the order of the data', async () => {
    const checkpoint = await opened(
      file(`{${entry('z', '[4,8]')},${entry('a', '[0,4]')}}`, fp32(1, 2)),
    );
    expect([...checkpoint.tensors.keys()]).toEqual(['z', 'a']);
    expect((await checkpoint.read('z')).data[0]).toBe(2);
  });

  it('data at an offset that is no multiple of the element size', async () => {
    const header = `{${entry('a', '[0,1]', '[1]', '"U8"')},${entry('b', '[1,5]')},${entry('c', '[5,7]', '[1]', '"F16"')}} `;
    const data = Buffer.concat([Buffer.from([7]), fp32(3), Buffer.from([0x00, 0x3c])]);
    for (const pad of ['', ' ', '  ']) {
      const checkpoint = await opened(file(header + pad, data));
      expect((await checkpoint.read('a')).data[0]).toBe(7);
      expect((await checkpoint.read('b')).data[0]).toBe(3);
      expect((await checkpoint.read('c')).data[0]).toBe(1);
    }
  });

  it('whitespace before, inside and after the header', async () => {
    const header = ` \n\t{ "w" : { "dtype" : "F32" , "shape" : [ 1 ] , "data_offsets" : [ 0 , 4 ] } } \r\n`;
    expect((await (await opened(file(header, fp32(4)))).read('w')).data[0]).toBe(4);
  });

  it('whitespace of more than the first look at the file', async () => {
    const header = `${' '.repeat(2000)}{${entry('w', '[0,4]')}}`;
    expect((await opened(file(header, 4))).tensors.size).toBe(1);
  });

  it.each(['{}', 'null', '{"format":"pt","":""}'])('metadata %s', async (metadata) => {
    const checkpoint = await opened(file(`{"__metadata__":${metadata},${entry('w', '[0,4]')}}`, 4));
    expect(Object.fromEntries(checkpoint.metadata)).toEqual(JSON.parse(metadata) ?? {});
    expect([...checkpoint.tensors.keys()]).toEqual(['w']);
  });

  it('metadata keys and values of every kind of text, in file order', async () => {
    const metadata = '{"10":"a","1":"\\u00e9\\ud83d\\ude00\\n","__proto__":"\u202e"}';
    const checkpoint = await opened(file(`{"__metadata__":${metadata}}`));
    expect([...checkpoint.metadata]).toEqual([
      ['10', 'a'],
      ['1', 'é😀\n'],
      ['__proto__', '\u202e'],
    ]);
  });

  it.each(dtypeNames)('dtype %s', async (dtype: DType) => {
    const bytes = bitsPerElement(dtype);
    const checkpoint = await opened(
      file(`{${entry('w', `[0,${bytes}]`, '[8]', `"${dtype}"`)}}`, bytes),
    );
    expect(checkpoint.tensors.get('w')).toEqual({
      name: 'w',
      dtype,
      shape: [8],
      byteLength: bytes,
    });
  });

  it('names of other scripts, with quotes and escapes', async () => {
    const names = [
      '層.0.重み',
      'é',
      'e\u0301',
      '😀',
      'a"b\\c',
      'a/b',
      'a..b',
      'constructor.weight',
    ];
    const entries = names.map((name, i) => entry(name, `[${i * 4},${i * 4 + 4}]`));
    const checkpoint = await opened(file(`{${entries.join(',')}}`, names.length * 4));
    expect([...checkpoint.tensors.keys()]).toEqual(names);
  });

  it('names that look like numbers keep the order of the file', async () => {
    const names = ['1', '0', '10', '2', '-1'];
    const entries = names.map((name, i) => entry(name, `[${i * 4},${i * 4 + 4}]`));
    const checkpoint = await opened(file(`{${entries.join(',')}}`, fp32(0, 1, 2, 3, 4)));
    expect([...checkpoint.tensors.keys()]).toEqual(names);
    expect((await checkpoint.read('10')).data[0]).toBe(2);
  });

  it('an offset above 2^32, in a sparse file', async () => {
    const gap = 2 ** 32 + 4096;
    const header = `{${entry('big', `[0,${gap}]`, `[${gap}]`, '"U8"')},${entry('w', `[${gap},${gap + 4}]`)}}`;
    const path = join(folder(), 'sparse.safetensors');
    const head = file(header);
    await save(path, head);
    await truncate(path, head.length + gap);
    const handle = await open(path, 'a');
    await handle.write(fp32(42));
    await handle.close();
    const checkpoint = await openSafetensors(path);
    expect((await checkpoint.read('w')).data[0]).toBe(42);
    await expect(checkpoint.read('big')).rejects.toMatchObject({
      code: 'checkpoint.tensor_too_large',
    });
  });

  it('S50 400,000 tensors, within the bound for time and memory', PATIENCE, async () => {
    const count = 400_000;
    const entries: string[] = [];
    for (let i = 0; i < count; i++)
      entries.push(entry(`layer.${i}.weight`, `[${i * 4},${i * 4 + 4}]`));
    const path = await save(
      join(folder(), 'many.safetensors'),
      file(`{${entries.join(',')}}`, count * 4),
    );
    const rss = process.memoryUsage().rss;
    const before = processorMs();
    const checkpoint = await openSafetensors(path);
    expect(processorMs() - before).toBeLessThan(8000);
    expect(process.memoryUsage().rss - rss).toBeLessThan(600 * 1024 ** 2);
    expect(checkpoint.tensors.size).toBe(count);
  });

  it('S60 NaN, infinities and subnormals are read as they are', async () => {
    const bits = new Uint32Array([
      0x7fc00001, 0xffc00000, 0x7f800001, 0x7f800000, 0xff800000, 1, 0x80000000,
    ]);
    const checkpoint = await opened(
      file(`{${entry('w', '[0,28]', '[7]')}}`, new Uint8Array(bits.buffer)),
    );
    const { data } = await checkpoint.read('w');
    expect(new Uint32Array(data.buffer)).toEqual(bits);
  });
});

describe('every convertible dtype gives its values as fp32', () => {
  const cases: readonly (readonly [DType, ArrayBufferView, readonly number[]])[] = [
    ['BOOL', new Uint8Array([0, 1]), [0, 1]],
    ['U8', new Uint8Array([0, 255]), [0, 255]],
    ['I8', new Int8Array([-128, 127]), [-128, 127]],
    ['U16', new Uint16Array([0, 65535]), [0, 65535]],
    ['I16', new Int16Array([-32768, 32767]), [-32768, 32767]],
    ['U32', new Uint32Array([1, 4294967040]), [1, 4294967040]],
    ['I32', new Int32Array([-2147483648, 16777216]), [-2147483648, 16777216]],
    ['U64', new BigUint64Array([0n, 2n ** 63n]), [0, 2 ** 63]],
    ['I64', new BigInt64Array([-(2n ** 63n), 577n]), [-(2 ** 63), 577]],
    ['F16', new Uint16Array([0xbc00, 0x0001]), [-1, 2 ** -24]],
    ['BF16', new Uint16Array([0x3f80, 0xc000]), [1, -2]],
    ['F32', new Float32Array([0.1, -2.5]), [Math.fround(0.1), -2.5]],
    ['F64', new Float64Array([0.1, 2]), [Math.fround(0.1), 2]],
  ];
  it.each(cases)('%s', async (dtype, stored, values) => {
    const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
    const checkpoint = await opened(
      file(`{${entry('w', `[0,${bytes.length}]`, '[2]', `"${dtype}"`)}}`, bytes),
    );
    expect([...(await checkpoint.read('w')).data]).toEqual(values);
  });
});
