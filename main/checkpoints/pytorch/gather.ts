/** Makes the elements of a strided view contiguous, and turns big-endian elements round. */

type Elements = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** Whole words, so that not even the payload of a NaN can change on the way. */
const words = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;

export type ElementBytes = keyof typeof words;

function wordsOf(bytes: Uint8Array, width: ElementBytes): Elements {
  return new words[width](bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / width);
}

/** Reverses the bytes of every element, in place. */
export function swapBytes(bytes: Uint8Array, width: ElementBytes): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
}

/** Copies `count` elements, `stride` apart. The casts say what `words` guarantees: both are of one type. */
function copyRun(
  source: Elements,
  from: number,
  stride: number,
  target: Elements,
  to: number,
  count: number,
): void {
  const [read, write] = [source as Uint32Array, target as Uint32Array];
  for (let i = 0; i < count; i++) write[to + i] = read[from + i * stride]!;
}

/**
 * The elements of a view in row-major order, in pieces of at most `pieceElements`. `span` holds the
 * storage from the view's first element on; strides are in elements.
 */
export function* gather(
  span: Uint8Array,
  view: { readonly shape: readonly number[]; readonly strides: readonly number[] },
  width: ElementBytes,
  pieceElements: number,
): Generator<Uint8Array, void, undefined> {
  const source = wordsOf(span, width);
  const shape = view.shape.length === 0 ? [1] : view.shape;
  const strides = view.strides.length === 0 ? [1] : view.strides;
  const last = shape.length - 1;
  const index = shape.map(() => 0);
  let left = shape.reduce((product, size) => product * size, 1);
  /** Where the row of the last axis begins. */
  let row = 0;
  let piece = new Uint8Array(Math.min(left, pieceElements) * width);
  let filled = 0;
  while (left > 0) {
    const from = row + index[last]! * strides[last]!;
    const count = Math.min(shape[last]! - index[last]!, piece.length / width - filled);
    copyRun(source, from, strides[last]!, wordsOf(piece, width), filled, count);
    filled += count;
    left -= count;
    index[last]! += count;
    for (let axis = last; index[axis] === shape[axis] && axis > 0; axis--) {
      if (axis < last) row -= shape[axis]! * strides[axis]!;
      row += strides[axis - 1]!;
      index[axis] = 0;
      index[axis - 1]! += 1;
    }
    if (filled * width < piece.length) continue;
    yield piece;
    piece = new Uint8Array(Math.min(left, pieceElements) * width);
    filled = 0;
  }
}
