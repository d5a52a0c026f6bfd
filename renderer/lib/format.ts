/** Numbers and times as people read them; always with a fixed count of decimals, so that columns line up. */

const minus = '−';
/** Between a number and its unit, so that no line ends there. */
const noBreak = '\u00a0';

function signed(text: string): string {
  return text.startsWith('-') ? `${minus}${text.slice(1)}` : text;
}

/** The text of a value, where there is one. */
export function known<T>(
  value: T | null | undefined,
  text: (value: T) => string,
): string | undefined {
  return value === null || value === undefined ? undefined : text(value);
}

/** A fixed number of decimals, with a real minus sign. */
export function decimal(value: number, decimals = 2): string {
  if (!Number.isFinite(value)) return '–';
  const text = value.toFixed(decimals);
  return signed(Number(text) === 0 ? text.replace('-', '') : text);
}

/** A share as a percentage with one decimal: 0.9134 → "91.3 %". */
export function percent(share: number | null | undefined, decimals = 1): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return '–';
  return `${decimal(share * 100, decimals)} %`;
}

/** A difference of two shares in points, always with its sign: "+1.2". */
export function points(difference: number): string {
  const text = decimal(difference * 100, 1);
  return text.startsWith(minus) || Number(text) === 0 ? text : `+${text}`;
}

/** Whole numbers with thin spaces between thousands: 2500 → "2 500". */
export function whole(value: number): string {
  const digits = Math.abs(Math.round(value)).toString();
  const grouped = digits.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return value < 0 ? minus + grouped : grouped;
}

/** Bytes in decimal units, as file managers count: "1.4 GB". */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  const decimals = unit === 0 || scaled >= 99.5 ? 0 : 1;
  return `${scaled.toFixed(decimals)}${noBreak}${units[unit] ?? ''}`;
}

/** A count of parameters: "3.2 M", "151 k", "87.5 M", "1.2 B". */
export function parameters(value: number): string {
  if (value < 1000) return String(value);
  const [scaled, unit] =
    value < 999_500
      ? [value / 1e3, 'k']
      : value < 999.5e6
        ? [value / 1e6, 'M']
        : [value / 1e9, 'B'];
  return `${scaled.toFixed(scaled >= 99.5 ? 0 : 1)}${noBreak}${unit}`;
}

/** A length of time: "under 1 s", "42 s", "3 min 05 s", "2 h 10 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–';
  if (seconds < 1) return 'under 1 s';
  const total = Math.round(seconds);
  if (total < 60) return `${total} s`;
  const minutes = Math.floor(total / 60);
  if (minutes < 60) return `${minutes} min ${String(total % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** How fast something goes: "3.4 / s", or "12 / min" where it is slow. */
export function rate(perSecond: number): string {
  if (perSecond >= 9.95) return `${perSecond.toFixed(0)} / s`;
  if (perSecond >= 0.95) return `${perSecond.toFixed(1)} / s`;
  return `${(perSecond * 60).toFixed(perSecond * 60 >= 9.95 ? 0 : 1)} / min`;
}

/** A number in as few characters as keep three digits of it; for parameters and axes. */
export function short(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return signed(String(Number(value.toPrecision(3))));
  const [mantissa = '', exponent = ''] = value.toExponential(2).split('e');
  return signed(`${Number(mantissa)}e${Number(exponent)}`);
}

const dayFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** A moment as people say it: "just now", "12 min ago", "3 h ago", else the date. */
export function moment(iso: string, now: Date = new Date()): string {
  const then = new Date(iso);
  const seconds = (now.getTime() - then.getTime()) / 1000;
  if (!Number.isFinite(seconds)) return iso;
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return dayFormat.format(then);
}

/** "1 image", "5 images". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${whole(value)} ${value === 1 ? one : many}`;
}
