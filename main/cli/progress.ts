/** Progress of long work: one live line on a terminal, a plain line now and then in a log. */
import { RateWindow } from '../lib/rate.ts';
import { displayWidth, paint, shorten, type Terminal } from './terminal.ts';

export interface ProgressOptions {
  /** Takes text as it is, e.g. standard error's write. */
  readonly write: (text: string) => void;
  readonly terminal: Terminal;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

const redrawMs = 100;
const logMs = 5_000;
const eraseLine = '\r\x1b[2K';
const barWidth = 20;
const shortestBar = 6;

interface Work {
  readonly what: string;
  readonly total: number;
  readonly unit: string;
  readonly startedAt: number;
  readonly rate: RateWindow;
  done: number;
  note: string;
  shownAt: number;
}

/** One piece of work at a time; `start` ends the one before. */
export class Progress {
  readonly #write: (text: string) => void;
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #work: Work | undefined;
  #drawn = false;

  constructor({ write, terminal, now = () => performance.now() }: ProgressOptions) {
    this.#write = write;
    this.#terminal = terminal;
    this.#now = now;
  }

  /** Begins a piece of work of `total` units, e.g. "steps"; 0 when it cannot be known. */
  start(what: string, total: number, unit: string): void {
    this.finish();
    const now = this.#now();
    this.#work = {
      what,
      total,
      unit,
      startedAt: now,
      rate: new RateWindow(now),
      done: 0,
      note: '',
      shownAt: this.#terminal.isTTY ? -Infinity : now,
    };
    if (this.#terminal.isTTY) this.#draw(this.#work, now);
  }

  /** Says how many units are done, and in `note` anything worth seeing on the way. */
  update(done: number, note = ''): void {
    const work = this.#work;
    if (work === undefined) return;
    const now = this.#now();
    work.done = done;
    work.note = note;
    work.rate.add(now, done);
    const pause = this.#terminal.isTTY ? redrawMs : logMs;
    if (now - work.shownAt >= pause) this.#draw(work, now);
  }

  /** Replaces the live line by one that stays: what was done, how much, how long it took. */
  finish(note = this.#work?.note ?? ''): void {
    const work = this.#work;
    if (work === undefined) return;
    this.#work = undefined;
    this.#erase();
    const took = this.#now() - work.startedAt;
    const { what, done, total, unit } = work;
    const counted = total > 0 || done > 0;
    const speed = took >= 1000 && done > 0 ? `, ${rate(done, took, unit)}` : '';
    const parts = `${what}: ${counted ? `${done} ${unit} in ` : ''}${duration(took)}${speed}`;
    this.#write(`${note === '' ? parts : `${parts}, ${note}`}\n`);
  }

  /** Takes the live line away without a word, as on an error. */
  abandon(): void {
    this.#erase();
    this.#work = undefined;
  }

  /** Prints a line that stays, above the live line. */
  log(line: string): void {
    this.#erase();
    this.#write(`${line}\n`);
    if (this.#work !== undefined && this.#terminal.isTTY) this.#draw(this.#work, this.#now());
  }

  #draw(work: Work, now: number): void {
    work.shownAt = now;
    const { isTTY, width, colour } = this.#terminal;
    const numbers = this.#numbers(work, now);
    if (!isTTY) {
      this.#write(`${work.what}: ${numbers}\n`);
      return;
    }
    // The last column stays free: some terminals wrap when it is written.
    const words = `${work.what} ${numbers}`;
    const room = Math.min(barWidth, width - 2 - displayWidth(words));
    const fits = work.total > 0 && room >= shortestBar;
    const bar = fits ? drawBar(work.done / work.total, room) : '';
    const line = fits ? `${work.what} ${bar} ${numbers}` : shorten(words.trimEnd(), width - 1);
    const coloured = fits ? line.replace(bar, paint(colour, { colour: 'cyan' }, bar)) : line;
    this.#write(eraseLine + coloured);
    this.#drawn = true;
  }

  #numbers({ done, total, unit, rate: window, note }: Work, now: number): string {
    const { ms, count } = window.until(now, done);
    const parts: string[] = [];
    if (total > 0) parts.push(`${done}/${total} ${unit}`);
    else if (done > 0) parts.push(`${done} ${unit}`);
    if (ms > 0 && count > 0) {
      parts.push(rate(count, ms, unit));
      if (total > done) parts.push(`${duration(((total - done) * ms) / count)} left`);
    }
    if (note !== '') parts.push(note);
    return parts.join(', ');
  }

  #erase(): void {
    if (this.#drawn) this.#write(eraseLine);
    this.#drawn = false;
  }
}

function drawBar(share: number, width: number): string {
  const filled = Math.max(0, Math.min(width, Math.round(share * width)));
  return '━'.repeat(filled) + '─'.repeat(width - filled);
}

function rate(count: number, ms: number, unit: string): string {
  const perSecond = (1000 * count) / ms;
  return `${perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toPrecision(2)} ${unit}/s`;
}

/** `7 s`, `2:05`, `1:02:05`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return ms < 9_950 ? `${(ms / 1000).toFixed(1)} s` : `${seconds} s`;
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const tail = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`;
}
