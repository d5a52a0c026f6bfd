/** Builds safetensors bytes, good and bad. */

/** Length prefix, header text or bytes, then `data` (a number: so many zero bytes). */
export function file(
  header: string | Uint8Array,
  data: Uint8Array | number = 0,
  claimedLength?: bigint,
): Uint8Array {
  const text = typeof header === 'string' ? Buffer.from(header) : header;
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(claimedLength ?? BigInt(text.byteLength));
  return Buffer.concat([prefix, text, typeof data === 'number' ? Buffer.alloc(data) : data]);
}

/** One entry as JSON text; every part is text, so that it can be wrong. */
export function entry(name: string, offsets: string, shape = '[1]', dtype = '"F32"'): string {
  return `${JSON.stringify(name)}:{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`;
}

/** A file of one tensor `w`. */
export function single(shape: string, bytes: number, dtype = '"F32"'): Uint8Array {
  return file(`{${entry('w', `[0,${bytes}]`, shape, dtype)}}`, bytes);
}

/** The fp32 values as they are stored. */
export function fp32(...values: readonly number[]): Uint8Array {
  return new Uint8Array(new Float32Array(values).buffer);
}
