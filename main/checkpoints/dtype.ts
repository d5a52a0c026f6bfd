/**
 * The element types of the safetensors format, as a closed table. The row order is the rank the
 * format's writers sort by, so that a larger alignment always comes first when it is reversed.
 */

interface DTypeRow {
  /** Bits one element takes in the file. */
  readonly bits: number;
  /** How `convert.ts` turns elements into fp32; `none` when there is no honest conversion. */
  readonly toFp32: 'exact' | 'checked' | 'rounded' | 'none';
}

const unconvertible = (bits: number): DTypeRow => ({ bits, toFp32: 'none' });

/**
 * `exact`: every value is an fp32 value. `checked`: only if each stored value is. `rounded`: to the
 * nearest fp32 (F64). The 4-, 6- and 8-bit floats are `none`, because they mean nothing without the
 * scale tensors stored beside them; C64 has no real fp32 form.
 */
export const dtypes = {
  BOOL: { bits: 8, toFp32: 'checked' },
  F4: unconvertible(4),
  F6_E2M3: unconvertible(6),
  F6_E3M2: unconvertible(6),
  U8: { bits: 8, toFp32: 'exact' },
  I8: { bits: 8, toFp32: 'exact' },
  F8_E5M2: unconvertible(8),
  F8_E4M3: unconvertible(8),
  F8_E8M0: unconvertible(8),
  F8_E4M3FNUZ: unconvertible(8),
  F8_E5M2FNUZ: unconvertible(8),
  I16: { bits: 16, toFp32: 'exact' },
  U16: { bits: 16, toFp32: 'exact' },
  F16: { bits: 16, toFp32: 'exact' },
  BF16: { bits: 16, toFp32: 'exact' },
  I32: { bits: 32, toFp32: 'checked' },
  U32: { bits: 32, toFp32: 'checked' },
  F32: { bits: 32, toFp32: 'exact' },
  C64: unconvertible(64),
  F64: { bits: 64, toFp32: 'rounded' },
  I64: { bits: 64, toFp32: 'checked' },
  U64: { bits: 64, toFp32: 'checked' },
} as const satisfies Record<string, DTypeRow>;

export type DType = keyof typeof dtypes;

/** All dtypes, in rank order. */
export const dtypeNames = Object.keys(dtypes) as readonly DType[];

const ranks: ReadonlyMap<string, number> = new Map(dtypeNames.map((name, rank) => [name, rank]));

/** True for a dtype of the format, spelled exactly. */
export function isDType(text: string): text is DType {
  return ranks.has(text);
}

/** The position in the format's own order; writers put higher ranks first. */
export function dtypeRank(dtype: DType): number {
  return ranks.get(dtype) ?? -1;
}

/** Bits one element takes in the file. */
export function bitsPerElement(dtype: DType): number {
  return dtypes[dtype].bits;
}
