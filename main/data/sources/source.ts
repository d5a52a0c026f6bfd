/**
 * What every kind of image set comes down to: where the bytes of each image lie, and, apart from that, labels.
 * Nothing under adaptation/ may import this folder: the layer rules fail when it does.
 */
import type { ImageCache } from '../image-cache.ts';

/** Where the bytes of one image lie. */
export interface ImageLocation {
  readonly file: string;
  readonly offset: number;
  /** Up to the end of the file where it is undefined. */
  readonly length: number | undefined;
  /** The image, for messages. */
  readonly name: string;
}

export interface StoredImages {
  readonly count: number;
  /** Raw grey pixels of this size; image files otherwise. */
  readonly grey: { readonly width: number; readonly height: number } | undefined;
  /** Whether images are turned as their EXIF orientation says, as the reference for this kind of set does. */
  readonly upright: boolean;
  locate(index: number): ImageLocation;
  /** Changes with the bytes of the images, as far as sizes and times of files tell; holds no path. */
  readonly identity: string;
}

export interface ImageSource {
  /** In words: "image folder", "Parquet", … */
  readonly kind: string;
  readonly title: string;
  readonly count: number;
  /** Names that the source itself knows its classes by; empty without labels. */
  readonly classNames: readonly string[];
  /** Class index of each image; undefined for a source without labels. */
  readonly labels: Int32Array | undefined;
  /** Makes the images themselves ready; takes a while for some kinds. */
  images(cache: ImageCache): Promise<StoredImages>;
}
