/** What a table with coloured cells holds. */
import type { Rgb } from '../../lib/colours.ts';

export interface ColourCell {
  readonly text: string;
  /** The value in full, on hover. */
  readonly title: string;
  readonly colour: Rgb;
  readonly marked?: boolean;
}

export interface ColourRow {
  readonly title: string;
  readonly chosen: boolean;
  readonly onchoose: () => void;
  readonly cells: readonly ColourCell[];
}
