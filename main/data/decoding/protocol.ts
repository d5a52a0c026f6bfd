/** What is asked of the threads that decode images, and what they answer. */
import type { ErrorDetails } from '../../lib/errors.ts';
import type { ErrorCode } from '../../lib/error-codes.ts';
import type { Preprocessing } from '../preprocessing.ts';
import type { ImageLocation, StoredImages } from '../sources/source.ts';

export interface DecodeOrder extends Pick<StoredImages, 'grey' | 'upright'> {
  readonly id: number;
  readonly images: readonly ImageLocation[];
  readonly preprocessing: Preprocessing;
  /** Where the prepared images are kept, and the place of each there. */
  readonly cache: { readonly file: string; readonly slots: readonly number[] } | undefined;
  /** Gets the pixels of all images one after another, from `offset` on. */
  readonly target: SharedArrayBuffer;
  readonly offset: number;
}

export interface DecodeReply {
  readonly id: number;
  readonly failure?: (ErrorDetails & { readonly code: ErrorCode }) | { readonly bug: string };
}
