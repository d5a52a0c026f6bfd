export interface Focus {
  /** Its place among all elements of the page. */
  readonly index: number;
  readonly name: string;
  readonly marked: boolean;
  readonly inSight: boolean;
}

export function findCutOff(): string[];
export function describeFocus(): Promise<Focus | null>;
export function timeSwitch(title: string): Promise<number>;
export function startDelay(): void;
export function stopDelay(): { p99: number; samples: number };
/** Milliseconds since 1970. */
export function firstPaint(): number | null;
export function runProgress(): number | null;
/** Milliseconds that cancelling takes, pressed as soon as the bar of the run says `words`. */
export function cancelWhen(words: readonly string[]): Promise<number>;
