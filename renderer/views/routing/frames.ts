/** The moments that the step slider goes through: batches during adaptation, then the test images. */
import type { Routing, RoutingSnapshots } from '../../../main/api/routing.ts';
import { counted, whole } from '../../lib/format.ts';

/** Mean λ [layer][source task][expert]. */
export type Lambda = readonly (readonly (readonly number[])[])[];

/** One method of one finished run, with everything the view draws of it. */
export interface Source {
  readonly run: string;
  readonly runTitle: string;
  readonly method: string;
  /** Tells it from the other sources in sight. */
  readonly title: string;
  readonly routing: Routing;
  readonly snapshots: RoutingSnapshots;
}

export type Frame =
  | { readonly kind: 'batch'; readonly step: number; readonly first: boolean }
  /** The adapted model on the test images. */
  | { readonly kind: 'test' };

/** What a source shows at a frame. */
export interface Moment {
  readonly lambda: Lambda;
  /** Over the images; batches are too small to have one. */
  readonly deviation: Lambda | null;
  readonly step: number | 'test';
}

export const testFrame: Frame = { kind: 'test' };

/** All steps of the sources in order, and the test images as the last frame. */
export function framesOf(sources: readonly Pick<Source, 'snapshots'>[]): Frame[] {
  const steps = [...new Set(sources.flatMap(({ snapshots }) => snapshots.steps))];
  steps.sort((a, b) => a - b);
  return [
    ...steps.map((step, index): Frame => ({ kind: 'batch', step, first: index === 0 })),
    testFrame,
  ];
}

/** The source at a frame: its latest snapshot that is not newer, as sources may have snapshots at different steps. */
export function momentAt({ routing, snapshots }: Source, frame: Frame): Moment {
  const test: Moment = { lambda: routing.mean, deviation: routing.deviation, step: 'test' };
  if (frame.kind === 'test') return test;
  const after = snapshots.steps.findIndex((step) => step > frame.step);
  const index = Math.max(0, (after === -1 ? snapshots.steps.length : after) - 1);
  const lambda = snapshots.mean[index];
  const step = snapshots.steps[index];
  return lambda === undefined || step === undefined ? test : { lambda, deviation: null, step };
}

/** "Step 40". */
export function frameTitle(frame: Frame): string {
  if (frame.kind === 'test') return 'After adaptation';
  return frame.first ? 'Before adaptation' : `Step ${whole(frame.step)}`;
}

/** What the numbers of a frame are means over. */
export function frameDetail(frame: Frame, { images }: Pick<Routing, 'images'>): string {
  if (frame.kind === 'batch') return 'mean λ over one unlabelled batch';
  const total = Object.values(images).reduce((sum, one) => sum + one, 0);
  return `mean λ over all ${counted(total, 'test image')}`;
}

/**
 * The frames that playing shows, and how long each. With reduced motion it is a few stills instead of a film.
 */
export function playback(
  count: number,
  reducedMotion: boolean,
): { readonly frames: readonly number[]; readonly frameMs: number } {
  if (!reducedMotion) {
    // About six seconds for a whole adaptation, however many snapshots it has.
    const frameMs = Math.min(400, Math.max(60, 6000 / Math.max(1, count)));
    return { frames: Array.from({ length: count }, (_, index) => index), frameMs };
  }
  const stills = Math.min(count, 5);
  const last = Math.max(1, stills - 1);
  const frames = Array.from({ length: stills }, (_, index) =>
    Math.round((index * (count - 1)) / last),
  );
  return { frames, frameMs: 1500 };
}
