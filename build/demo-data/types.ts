/**
 * Shared shapes of the demo-data build: a built split in memory, and where it came from.
 */
export const TILE = 32;
export const TILE_BYTES = TILE * TILE * 3;

export type Source = { package: string; version: string; licence: string; author: string };

export type BuiltSplit = {
  /** Folder name: the task id, or the name of a pre-training set. */
  id: string;
  kind: 'task' | 'pretraining';
  split: 'train' | 'test';
  title: string;
  standsFor?: string;
  description: string;
  synthetic: boolean;
  classes: string[];
  /** RGB tiles, one after another, 32x32x3 bytes each. */
  pixels: Uint8Array[];
  labels: number[];
  /**
   * Provenance of each image: what must not cross from a test set into any training set, such as
   * `font:…`, `scene:…`, `artist:…`, `sector:…`; several are joined by `|`.
   */
  groups?: string[];
  sources: Source[];
};

/** A builder of one task (train and test) or of one pre-training set. */
export type SetBuilder = { id: string; build: () => Promise<BuiltSplit[]> };

/** Collects images of one split. */
export class SplitBuffer {
  readonly pixels: Uint8Array[] = [];
  readonly labels: number[] = [];
  readonly groups: string[] = [];

  add(pixels: Uint8Array, label: number, group: string): void {
    if (pixels.length !== TILE_BYTES) throw new Error(`a tile of ${pixels.length} bytes`);
    this.pixels.push(pixels);
    this.labels.push(label);
    this.groups.push(group);
  }
}
