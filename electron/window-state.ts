/** Where the window was, how large, and how it looked: kept from one start to the next. */
import { z } from 'zod';
import { createJsonWriter, readJsonFile } from './json-file.ts';

export const minimumSize = { width: 1000, height: 640 } as const;
const firstSize = { width: 1400, height: 900 } as const;
const zoomRange = { least: 0.8, most: 2 } as const;

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const coordinate = z.int().min(-100_000).max(100_000);
const windowState = z.strictObject({
  bounds: z
    .strictObject({ x: coordinate, y: coordinate, width: coordinate, height: coordinate })
    .nullable(),
  maximized: z.boolean(),
  zoom: z.number().min(zoomRange.least).max(zoomRange.most),
  theme: z.enum(['system', 'light', 'dark']),
});
export type WindowState = z.output<typeof windowState>;

const firstState: WindowState = { bounds: null, maximized: false, zoom: 1, theme: 'system' };

/** Width and height of the part of `a` that lies in `b`. */
function overlap(a: Rectangle, b: Rectangle): { width: number; height: number } {
  return {
    width: Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x),
    height: Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y),
  };
}

/** Enough of a window to take hold of it. */
const HOLD = { width: 200, height: 100 };

/**
 * The bounds to open with: as saved when a good part of them is on a display, else of a good size in the middle of the
 * first display. Never larger than the display's work area and never below the minimum.
 */
export function fitBounds(
  saved: Rectangle | null,
  workAreas: readonly [Rectangle, ...Rectangle[]],
): Rectangle {
  const [primary] = workAreas;
  const home = workAreas.find((area) => {
    const shared = saved === null ? undefined : overlap(saved, area);
    return shared !== undefined && shared.width >= HOLD.width && shared.height >= HOLD.height;
  });
  const area = home ?? primary;
  const wanted = saved ?? firstSize;
  const width = Math.max(minimumSize.width, Math.min(wanted.width, area.width));
  const height = Math.max(minimumSize.height, Math.min(wanted.height, area.height));
  if (saved !== null && home !== undefined) {
    // The title bar must be reachable.
    const y = Math.max(saved.y, area.y);
    return { x: saved.x, y, width, height };
  }
  const x = Math.round(area.x + Math.max(0, (area.width - width) / 2));
  const y = Math.round(area.y + Math.max(0, (area.height - height) / 2));
  return { x, y, width, height };
}

/** One step of zoom in or out, within the range. */
export function nextZoom(zoom: number, direction: 1 | -1): number {
  const next = Math.round((zoom + 0.1 * direction) * 10) / 10;
  return Math.min(zoomRange.most, Math.max(zoomRange.least, next));
}

export interface WindowStateStore {
  readonly state: WindowState;
  change(part: Partial<WindowState>): void;
  /** Resolves when the last change is on disk; a failure to write is not worth a message. */
  saved(): Promise<void>;
}

/** The state kept in `file`; written a moment after the last change. */
export function openWindowState(file: string): WindowStateStore {
  const write = createJsonWriter(file);
  let state = readJsonFile(file, windowState) ?? firstState;
  let timer: NodeJS.Timeout | undefined;
  let dirty = false;
  const save = async (): Promise<void> => {
    clearTimeout(timer);
    if (!dirty) return;
    dirty = false;
    await write(state).catch(() => undefined);
  };
  return {
    get state() {
      return state;
    },
    change(part) {
      state = { ...state, ...part };
      dirty = true;
      clearTimeout(timer);
      timer = setTimeout(() => void save(), 500);
    },
    saved: save,
  };
}
