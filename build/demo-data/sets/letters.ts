/**
 * Letters-26 (A/a to Z/z) and Kana-46 (hiragana): characters of free fonts on plain colours. The
 * test fonts are whole held-out font groups and appear in no other training set.
 * Licences: free font licences of the Debian packages listed in the JSON; bitmaps only.
 */
import { contrasting, drawTile, randomColour, type Rgb } from '../canvas.ts';
import { fontSources, fontTag, fontsFor, type Font } from '../fonts.ts';
import { paintGlyph, randomPose } from '../glyphs.ts';
import { rngFor, type Rng } from '../random.ts';
import { SplitBuffer, type BuiltSplit } from '../types.ts';

const UPPER = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
const LOWER = [...'abcdefghijklmnopqrstuvwxyz'];
const HIRAGANA = [
  ...'あいうえおかきくけこさしすせそたちつてとなにぬねの',
  ...'はひふへほまみむめもやゆよらりるれろわをん',
];

type Recipe = {
  id: string;
  title: string;
  standsFor: string;
  what: string;
  classes: string[];
  /** The characters that stand for each class. */
  variants: string[][];
  probes: string[];
  perClass: { train: number; test: number };
  colours: (rng: Rng) => [background: Rgb, ink: Rgb];
};

const letters: Recipe = {
  id: 'letters',
  title: 'Letters-26',
  standsFor: 'EMNIST letters',
  what: 'Latin letters, either case, of free fonts on random plain colours',
  classes: UPPER,
  variants: UPPER.map((upper, i) => [upper, LOWER[i] ?? upper]),
  probes: [...'AGRaegt'],
  perClass: { train: 1000, test: 40 },
  colours: (rng) => {
    const background = randomColour(rng);
    return [background, contrasting(rng, background, 55)];
  },
};

const kana: Recipe = {
  id: 'kana',
  title: 'Kana-46',
  standsFor: 'KMNIST',
  what: 'hiragana of free Japanese fonts in dark ink on paper tints',
  classes: HIRAGANA,
  variants: HIRAGANA.map((char) => [char]),
  probes: [...'あきすぬふむれ'],
  perClass: { train: 320, test: 22 },
  colours: (rng) => [
    [rng.range(190, 255), rng.range(190, 255), rng.range(180, 250)],
    [rng.range(0, 90), rng.range(0, 90), rng.range(0, 90)],
  ],
};

function draw(rng: Rng, font: Font, char: string, recipe: Recipe): Uint8Array {
  const [background, ink] = recipe.colours(rng);
  return drawTile(background, (ctx) => {
    const pose = randomPose(rng, { low: 18, high: 27, shift: 2.5, degrees: 8, shear: 0.08 });
    paintGlyph(ctx, font, char, ink, pose);
  });
}

function render(recipe: Recipe): BuiltSplit[] {
  const fonts = fontsFor(recipe.variants.flat(), recipe.probes);
  return (['train', 'test'] as const).map((split) => {
    const side = fonts[split];
    const buffer = new SplitBuffer();
    recipe.variants.forEach((chars, label) => {
      const order: Font[] = [];
      const shuffler = rngFor(`${recipe.id}/${split}/fonts/${label}`);
      while (order.length < recipe.perClass[split]) order.push(...shuffler.shuffle(side));
      for (let n = 0; n < recipe.perClass[split]; n += 1) {
        const rng = rngFor(`${recipe.id}/${split}/${label}/${n}`);
        const font = order[n] as Font;
        buffer.add(draw(rng, font, rng.pick(chars), recipe), label, fontTag(font));
      }
    });
    return {
      id: recipe.id,
      kind: 'task',
      split,
      title: recipe.title,
      standsFor: recipe.standsFor,
      description:
        `Rendered ${recipe.what} (${side.length} ${split} fonts). Test fonts are whole held-out ` +
        'font groups without near-identical training fonts, and are used in no training set.',
      synthetic: true,
      classes: recipe.classes,
      pixels: buffer.pixels,
      labels: buffer.labels,
      groups: buffer.groups,
      sources: fontSources(side),
    };
  });
}

export const buildLetters = async (): Promise<BuiltSplit[]> => render(letters);
export const buildKana = async (): Promise<BuiltSplit[]> => render(kana);
