/**
 * Images with labels, for evaluation (and for training the demo's experts). Nothing under adaptation/
 * may import this file: the layer rules fail when it does.
 */
import type { ImageSet, ImageStore } from './images.ts';

export interface LabelledSet<Store extends ImageStore = ImageStore> {
  readonly images: ImageSet<Store>;
  /** Class index of each image. */
  readonly labels: Int32Array;
  /** Source of each image (font, artist, scene, …), where the set records it. */
  readonly groups: readonly number[] | undefined;
  readonly classNames: readonly string[];
  readonly title: string;
  readonly split: string;
  readonly synthetic: boolean;
}
