// Exit 0 when node_modules holds what package-lock.json asks for, else 1. Plain JavaScript: it runs before any
// package is there. npm writes node_modules/.package-lock.json last, so that file also says that an install ended.
import { readFileSync } from 'node:fs';

function read(file) {
  try {
    return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')).packages;
  } catch {
    return {};
  }
}

const wanted = read('../package-lock.json');
const installed = read('../node_modules/.package-lock.json');

/** Packages for other platforms are in the lock file and not on the disk; the rest must be there. */
const isForHere = ({ os, cpu, libc }) =>
  (!os || os.includes(process.platform)) && (!cpu || cpu.includes(process.arch)) && !libc;

const missing = Object.entries(wanted).filter(([where, { version, optional, ...target }]) => {
  if (where === '') return false;
  const present = installed[where];
  if (present) return present.version !== version;
  return !optional || (target.os !== undefined && isForHere(target));
});

process.exitCode = missing.length === 0 ? 0 : 1;
