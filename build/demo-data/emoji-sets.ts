/**
 * The emoji drawings of several artists, matched to Unicode concepts by code point or by name.
 * Sources: npm @iconify-json/* (twemoji, emojione, streamline-emojis CC BY 4.0; noto, noto-v1,
 * fxemoji Apache-2.0; fluent-emoji, fluent-emoji-flat MIT) and emojibase-data (MIT).
 */
import type { Image } from '@napi-rs/canvas';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { npm, npmSource } from './sources.ts';
import { loadSprite } from './sprites.ts';
import type { Source } from './types.ts';

export const TRAIN_ARTISTS = [
  'twemoji',
  'noto',
  'noto-v1',
  'fluent-emoji',
  'fluent-emoji-flat',
  'emojione',
];
export const TEST_ARTISTS = ['fxemoji', 'streamline-emojis'];

const CREDITS: Record<string, [author: string, licence: string]> = {
  twemoji: ['Twitter and contributors (jdecked)', 'CC-BY-4.0'],
  noto: ['Google Inc', 'Apache-2.0'],
  'noto-v1': ['Google Inc', 'Apache-2.0'],
  'fluent-emoji': ['Microsoft Corporation', 'MIT'],
  'fluent-emoji-flat': ['Microsoft Corporation', 'MIT'],
  emojione: ['EmojiOne', 'CC-BY-4.0'],
  fxemoji: ['Mozilla', 'Apache-2.0'],
  'streamline-emojis': ['Streamline', 'CC-BY-4.0'],
  'circle-flags': ['HatScripts', 'MIT'],
};

type IconFile = {
  icons: Record<string, { body: string; width?: number; height?: number }>;
  aliases?: Record<string, { parent: string }>;
  width?: number;
  height?: number;
};
export type Concept = { label: string; hexcode: string; group?: number; subgroup?: number };

export class EmojiSet {
  readonly name: string;
  private readonly file: IconFile;
  private readonly byCode = new Map<string, string>();
  private readonly byName = new Map<string, string>();

  constructor(name: string) {
    this.name = name;
    const folder = npm(`@iconify-json/${name}`);
    this.file = JSON.parse(readFileSync(join(folder, 'icons.json'), 'utf8')) as IconFile;
    const chars = join(folder, 'chars.json');
    if (existsSync(chars)) {
      const codes = JSON.parse(readFileSync(chars, 'utf8')) as Record<string, string>;
      for (const [code, icon] of Object.entries(codes)) this.byCode.set(plainCode(code), icon);
    }
    const names = [...Object.keys(this.file.icons), ...Object.keys(this.file.aliases ?? {})];
    for (const icon of names) this.byName.set(plainName(icon), icon);
  }

  /** The icon name for a concept, if this artist drew it. */
  find(concept: Concept): string | undefined {
    return this.byCode.get(plainCode(concept.hexcode)) ?? this.byName.get(plainName(concept.label));
  }

  findName(name: string): string | undefined {
    return this.byName.get(plainName(name));
  }

  sprite(icon: string): Promise<Image | undefined> {
    const entry = this.file.icons[icon] ?? this.file.icons[this.file.aliases?.[icon]?.parent ?? ''];
    if (entry === undefined) return Promise.resolve(undefined);
    const width = entry.width ?? this.file.width ?? 16;
    const height = entry.height ?? this.file.height ?? 16;
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ' +
      `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${entry.body}</svg>`;
    return loadSprite(svg, { viewBox: Math.max(width, height) });
  }
}

function plainCode(code: string): string {
  return code.toLowerCase().replace(/-?fe0f/g, '');
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** Unicode emoji with their English names, groups and subgroups. */
export function loadConcepts(): Concept[] {
  const file = join(npm('emojibase-data'), 'en', 'data.json');
  const all = JSON.parse(readFileSync(file, 'utf8')) as Concept[];
  return all.filter((concept) => concept.group !== undefined);
}

export function emojiSources(names: readonly string[]): Source[] {
  return names.map((name) => {
    const [author, licence] = CREDITS[name] ?? ['', ''];
    return npmSource(`@iconify-json/${name}`, author, licence);
  });
}
