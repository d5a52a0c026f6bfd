/** Buffers that are used again and again; each grows to the largest size asked for. */
export class Scratch {
  readonly #buffers = new Map<string, ArrayBuffer>();

  bytes(slot: string, count: number): Uint8Array {
    return new Uint8Array(this.#buffer(slot, count), 0, count);
  }

  floats(slot: string, count: number): Float32Array {
    return new Float32Array(this.#buffer(slot, count * 4), 0, count);
  }

  #buffer(slot: string, bytes: number): ArrayBuffer {
    const known = this.#buffers.get(slot);
    if (known !== undefined && known.byteLength >= bytes) return known;
    const buffer = new ArrayBuffer(Math.ceil(bytes / 8) * 8);
    this.#buffers.set(slot, buffer);
    return buffer;
  }
}
