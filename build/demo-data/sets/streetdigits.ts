/**
 * StreetDigits (stands for SVHN): digits of free fonts over crops of real photographs, often with a
 * neighbour digit, blurred and noisy. Rendered. Test fonts and test photo scenes are held out.
 * Licences: font licences of the Debian packages listed in the JSON; photographs public domain,
 * CC0, BSD, Apache-2.0 and CC BY (see photos.ts).
 */
import { blur, contrasting, degrade, drawTile, meanColour, type Rgb } from '../canvas.ts';
import { fontSources, fontTag, fontsFor, type Font } from '../fonts.ts';
import { paintGlyph, randomPose } from '../glyphs.ts';
import { loadPhotos, paintPhoto, photoSources, type Photo } from '../photos.ts';
import { rngFor, type Rng } from '../random.ts';
import { SplitBuffer, type BuiltSplit } from '../types.ts';

const DIGITS = [...'0123456789'];
const PER_CLASS = { train: 2400, test: 100 };
const NEUTRAL: Rgb = [128, 128, 128];

/** One character over a photo crop, with neighbours, blur and noise. */
export function drawOverPhoto(
  rng: Rng,
  font: Font,
  char: string,
  neighbours: readonly string[],
  photo: Photo,
): Uint8Array {
  // The crop is drawn twice from one stream: once to choose a contrasting ink, once for the tile.
  const cropKey = String(rng.next());
  const crop = drawTile(NEUTRAL, (ctx) => {
    paintPhoto(ctx, rngFor(cropKey), photo);
  });
  const ink = contrasting(rng, meanColour(crop), 75);
  const tile = drawTile(NEUTRAL, (ctx) => {
    paintPhoto(ctx, rngFor(cropKey), photo);
    const pose = randomPose(rng, { low: 20, high: 29, shift: 1.5, degrees: 6, shear: 0.1 });
    const width = paintGlyph(ctx, font, char, ink, pose);
    for (const side of [-1, 1]) {
      if (!rng.chance(0.33)) continue;
      const other = rng.pick(neighbours);
      const gap = width / 2 + pose.size * rng.range(0.3, 0.42);
      paintGlyph(ctx, font, other, ink, { ...pose, x: pose.x + side * gap });
    }
  });
  const soft = blur(tile, rng.range(0, 1.1));
  return degrade(soft, rng, { noise: rng.range(0, 8), light: rng.range(0.8, 1.15) });
}

export async function buildStreetDigits(): Promise<BuiltSplit[]> {
  const fonts = fontsFor(DIGITS, [...'2345678']);
  const photos = await loadPhotos();
  return (['train', 'test'] as const).map((split) => {
    const side = fonts[split];
    const buffer = new SplitBuffer();
    DIGITS.forEach((digit, label) => {
      const order: Font[] = [];
      const shuffler = rngFor(`streetdigits/${split}/fonts/${label}`);
      while (order.length < PER_CLASS[split]) order.push(...shuffler.shuffle(side));
      for (let n = 0; n < PER_CLASS[split]; n += 1) {
        const rng = rngFor(`streetdigits/${split}/${label}/${n}`);
        const font = order[n] as Font;
        const photo = rng.pick(photos[split]);
        const tile = drawOverPhoto(rng, font, digit, DIGITS, photo);
        buffer.add(tile, label, `${fontTag(font)}|scene:${photo.scene}`);
      }
    });
    return {
      id: 'streetdigits',
      kind: 'task',
      split,
      title: 'StreetDigits',
      standsFor: 'SVHN',
      description:
        `Rendered: digits of ${side.length} ${split} fonts over crops of real photographs, with ` +
        'neighbour digits, blur and noise. Test fonts and test photo scenes are held out whole.',
      synthetic: true,
      classes: DIGITS,
      pixels: buffer.pixels,
      labels: buffer.labels,
      groups: buffer.groups,
      sources: [...fontSources(side), ...photoSources()],
    };
  });
}
