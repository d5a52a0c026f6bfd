/** The choice of one wheel among the files of a project. */
import type { IndexFile } from '../hub/package-index.ts';
import type { WheelNeed } from './sources.ts';

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly architecture: string;
  /** Version of the GNU C library; undefined where there is none. */
  readonly glibc: string | undefined;
}

interface ReportHeader {
  readonly glibcVersionRuntime?: string;
}

export function thisMachine(): Machine {
  const { header } = process.report.getReport() as { readonly header: ReportHeader };
  const { platform, arch } = process;
  return { platform, architecture: arch, glibc: header.glibcVersionRuntime };
}

/** Names that wheels have for architectures. */
const architectures: Readonly<Record<string, readonly string[]>> = {
  x64: ['x86_64'],
  arm64: ['aarch64', 'arm64'],
};
/** https://peps.python.org/pep-0600/: older names of a version of the C library. */
const olderNames: Readonly<Record<string, string>> = {
  manylinux1: '2.5',
  manylinux2010: '2.12',
  manylinux2014: '2.17',
};

interface Wheel {
  readonly file: IndexFile;
  readonly version: string;
}

/**
 * The newest wheel that the need allows and the machine can load, the smallest of several for one version: those
 * for different versions of Python hold the same libraries. Undefined where there is none.
 */
export function chooseWheel(
  files: readonly IndexFile[],
  need: WheelNeed,
  machine: Machine,
): Wheel | undefined {
  const fitting = files.flatMap((file): Wheel[] => {
    const [, version, platforms] =
      /^[^-]+-([^-]+)(?:-\d[^-]*)?-[^-]+-[^-]+-([^-]+)\.whl$/.exec(file.name) ?? [];
    if (version === undefined || platforms === undefined) return [];
    const runs = platforms.split('.').some((tag) => loads(tag, machine));
    return runs && allowed(version, need.version) ? [{ file, version }] : [];
  });
  return fitting.toSorted(
    (a, b) =>
      compareVersions(b.version, a.version) ||
      (a.file.size ?? 0) - (b.file.size ?? 0) ||
      (a.file.name < b.file.name ? -1 : 1),
  )[0];
}

/** https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/ */
function loads(tag: string, { platform, architecture, glibc }: Machine): boolean {
  const architectureName = (architectures[architecture] ?? []).find((name) =>
    tag.endsWith(`_${name}`),
  );
  if (architectureName === undefined) return false;
  const system = tag.slice(0, -architectureName.length - 1);
  if (platform === 'darwin') return system.startsWith('macosx_');
  if (platform !== 'linux' || glibc === undefined) return false;
  const [, major, minor] = /^manylinux_(\d+)_(\d+)$/.exec(system) ?? [];
  const needed = major === undefined ? olderNames[system] : `${major}.${minor ?? '0'}`;
  return needed !== undefined && compareVersions(glibc, needed) >= 0;
}

function allowed(version: string, wanted: WheelNeed['version']): boolean {
  if (typeof wanted === 'string') return version === wanted;
  // Releases only: "1.0rc1" is none.
  if (!/^\d+(\.\d+)*(\.post\d+)?$/.test(version)) return false;
  return (
    compareVersions(version, wanted.atLeast) >= 0 && compareVersions(version, wanted.below) < 0
  );
}

/** By their numbers, from left to right; a missing one counts as 0. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => (text.match(/\d+/g) ?? []).map(Number));
  for (let i = 0; i < Math.max(left?.length ?? 0, right?.length ?? 0); i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
