/**
 * Pre-training set "scripts": letters of many non-Latin scripts, one class per character, in the
 * training fonts only. No Latin letter, no digit and no hiragana. Plain colours, photo
 * backgrounds (training scenes only), light-on-dark grey and ink-on-paper styles.
 * Licences: free font licences of the Debian packages listed in the JSON; bitmaps only.
 */
import { contrasting, degrade, drawTile, randomColour, type Rgb } from '../canvas.ts';
import { fontSources, fontTag, loadFonts, type Font } from '../fonts.ts';
import { paintGlyph, randomPose } from '../glyphs.ts';
import { loadPhotos, type Photo } from '../photos.ts';
import { rngFor, type Rng } from '../random.ts';
import { SplitBuffer, type BuiltSplit } from '../types.ts';
import { drawOverPhoto } from './streetdigits.ts';

const PER_CLASS = 22;
const FEWEST_FONTS = 4;

/** Characters by script: single characters, or `first-last` ranges. Latin look-alikes left out. */
const SCRIPTS: Record<string, string> = {
  Greek: 'α β γ δ ε ζ η θ λ μ ξ π σ τ φ ψ ω Γ Δ Θ Λ Ξ Π Σ Φ Ψ Ω',
  Cyrillic: 'б г д ж з и л п ф ц ч ш щ ъ ы ь э ю я Б Д Ж И Л Ц Ч Ш Щ Ы Э Ю Я ђ љ њ',
  Armenian: 'Ա-Ֆ ա-ֆ',
  Georgian: 'ა-ჰ',
  Hebrew: 'א-ת',
  Arabic: 'ا-غ ف-ي پ چ ژ گ',
  Ethiopic: 'ሀ ለ ሐ መ ሠ ረ ሰ ሸ ቀ በ ተ ቸ ኀ ነ ኘ አ ከ ኸ ወ ዐ ዘ ዠ የ ደ ጀ ገ ጠ ጨ ጰ ጸ ፀ ፈ ፐ',
  Devanagari: 'अ-ऌ ए-औ क-न प-ह',
  Bengali: 'অ-ঌ ক-ন প-র ল শ-হ',
  Gurmukhi: 'ਅ-ਊ ਕ-ਨ ਪ-ਰ ਲ ਵ ਸ ਹ',
  Gujarati: 'અ-ઋ ક-ન પ-ર લ ળ વ-હ',
  Oriya: 'ଅ-ଋ କ-ନ ପ-ର ଲ ଳ ଶ-ହ',
  Tamil: 'அ-ஊ எ-ஐ ஒ ஓ க ங ச ஜ ஞ ட ண த ந-ப ம-வ ஷ-ஹ',
  Telugu: 'అ-ఋ ఎ-ఐ క-న ప-హ',
  Kannada: 'ಅ-ಋ ಎ-ಐ ಕ-ನ ಪ-ರ ಲ ಳ ವ-ಹ',
  Malayalam: 'അ-ഋ എ-ഐ ക-ന പ-ഹ',
  Sinhala: 'අ-ඍ එ-ඖ ක-න ප-ර ල ව-ෆ',
  Thai: 'ก-ฮ',
  Lao: 'ກ ຂ ຄ ງ ຈ ຊ ຍ ດ-ທ ນ-ຟ ມ-ຣ ລ ວ ສ ຫ ອ ຮ',
  Tibetan: 'ཀ ཁ ག ང-ཇ ཉ-ཌ ཎ-ད ན-བ མ-ཛ ཝ-ཨ',
  Myanmar: 'က-အ',
  Khmer: 'ក-អ',
  Jamo: 'ㄱ-ㅎ ㅏ-ㅣ',
  Hangul:
    '가 각 간 강 개 거 건 경 고 과 교 구 국 군 그 기 김 나 날 남 내 너 노 누 는 다 달 당 대 도 동 들 등 라 람 래 로 를 리 마 만 말 맛 명 모 무 문 물 미 바 밤 방 배 별 보 부 북 비 빛 사 산 상 새 서 선 성 소 손 수 술 시 신 아 안 약 어 여 연 영 오 왕 외 요 용 우 원 위 유 은 을 이 인 일 자 작 장 전 정 제 조 주 중 지 진 집 차 책 천 철 초 추 춤 코 크 타 태 토 통 파 팔 편 포 표 풍 필 하 학 한 해 향 호 화 회 후 흙 희 힘',
  Katakana:
    'ア イ ウ エ オ カ キ ク ケ コ サ シ ス セ ソ タ チ ツ テ ト ナ ニ ヌ ネ ノ ハ ヒ フ ホ マ ミ ム メ モ ヤ ユ ヨ ラ ル レ ロ ワ ヲ ン',
  Han: '人 大 小 山 川 水 火 木 金 土 日 月 年 中 国 本 東 西 南 北 上 下 左 右 内 外 前 後 高 安 新 古 長 明 天 地 空 海 花 草 林 森 石 田 車 道 門 駅 店 学 校 先 生 男 女 子 父 母 友 手 足 目 耳 心 言 語 文 字 書 読 話 聞 見 行 来 出 入 休 立 食 飲 米 肉 魚 鳥 馬 牛 犬 貝 虫 雨 雪 風 電 気 音 楽 歌 色 白 赤 青 黒 王 玉 糸 町 村 市 京 都 春 夏 秋 冬 朝 昼 夜 星 光 夢 愛 美 和 平 正 名 何 今 分 半 間 時 週 毎 多 少 早 元 医 者 薬 病 院 紙 茶 飯 酒 服 着 家 族 妹 姉 弟 兄 親 竹 龍 鬼 神 幸 福 寿 永 遠 旅 館 橋 島 湖 港 公 園 動 物 会 社 員 場 所 図 世 界 使 作 事 自 由 理 不 々 〆',
  Cherokee: 'Ꭳ Ꭴ Ꭷ Ꭸ Ꭽ Ꭾ Ꮀ Ꮆ Ꮉ Ꮎ Ꮑ Ꮔ Ꮖ Ꮚ Ꮜ Ꮝ Ꮢ Ꮦ Ꮨ Ꮬ Ꮭ Ꮵ Ꮸ Ꮹ Ꮻ Ꮼ Ꮾ Ᏸ Ᏼ',
  Tifinagh: 'ⴰ-ⵥ',
  Runic: 'ᚠ ᚢ ᚦ ᚨ ᚬ ᚱ ᚲ ᚷ ᚹ ᚺ ᚾ ᛃ ᛇ ᛈ ᛉ ᛊ ᛏ ᛒ ᛖ ᛗ ᛚ ᛝ ᛞ ᛟ',
  Glagolitic: 'Ⰰ-Ⱎ',
  Coptic: 'Ⲁ Ⲃ Ⲇ Ⲋ Ⲍ Ⲩ Ⲱ',
  Syllabics: 'ᐁ ᐃ ᐅ ᐊ ᐯ ᐱ ᐳ ᐸ ᑌ ᑎ ᑐ ᑕ ᑫ ᑭ ᑯ ᑲ ᒉ ᒋ ᒍ ᒐ ᒣ ᒥ ᒧ ᒪ ᓀ ᓂ ᓄ ᓇ ᓭ ᓯ ᓱ ᓴ ᔦ ᔨ ᔪ ᔭ',
  NKo: 'ߊ-ߪ',
  Signs:
    '& @ # % ? ! $ € £ ¥ § ¶ © ® + = ~ * { } < > ← ↑ → ↓ ↔ ⇒ ∀ ∂ ∃ ∅ ∇ ∈ ∏ ∑ √ ∞ ∩ ∪ ∫ ≈ ≠ ≤ ≥ ■ □ ▲ △ ▶ ▼ ◆ ◇ ○ ● ★ ☆ ☎ ♀ ♂ ♠ ♣ ♥ ♦ ♪ ♫',
};

function charactersOf(list: string): string[] {
  return list.split(/\s+/).flatMap((item) => {
    const [first, dash, last] = [...item];
    if (dash !== '-' || first === undefined || last === undefined) return [item];
    const from = first.codePointAt(0) ?? 0;
    const to = last.codePointAt(0) ?? 0;
    return Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i));
  });
}

/** A drawing in one of four styles, so that the features suit handwriting, signs and print. */
function draw(rng: Rng, font: Font, char: string, mates: string[], photo: Photo): Uint8Array {
  const style = rng.next();
  if (style < 0.3) return drawOverPhoto(rng, font, char, mates, photo);
  let background: Rgb = randomColour(rng);
  let ink: Rgb = contrasting(rng, background, 45);
  let spread = { low: 15, high: 28, shift: 3, degrees: 12, shear: 0.15 };
  if (style > 0.8) {
    const light = rng.range(150, 255);
    background = [0, 0, 0];
    ink = [light, light, light];
    spread = { low: 17, high: 22, shift: 2, degrees: 18, shear: 0.35 };
  } else if (style > 0.65) {
    const dark = rng.range(0, 100);
    background = [rng.range(180, 255), rng.range(180, 255), rng.range(170, 255)];
    ink = [dark * rng.next(), dark * rng.next(), dark * rng.next()];
  }
  const tile = drawTile(background, (ctx) => {
    paintGlyph(ctx, font, char, ink, randomPose(rng, spread));
  });
  return style < 0.65 && rng.chance(0.2) ? degrade(tile, rng, { noise: rng.range(0, 8) }) : tile;
}

export async function buildScripts(): Promise<BuiltSplit[]> {
  const fonts = loadFonts().filter((font) => !font.test);
  const photos = (await loadPhotos()).train;
  const buffer = new SplitBuffer();
  const classes: string[] = [];
  const used = new Set<Font>();
  for (const [script, list] of Object.entries(SCRIPTS)) {
    const mates = charactersOf(list);
    let taken = 0;
    for (const char of mates) {
      const able = fonts.filter((font) => font.covers.has(char.codePointAt(0) ?? 0));
      if (able.length < FEWEST_FONTS) continue;
      const label = classes.length;
      const order = rngFor(`scripts/fonts/${char}`).shuffle(able);
      let made = 0;
      for (let n = 0; made < PER_CLASS && n < PER_CLASS * 4; n += 1) {
        const rng = rngFor(`scripts/${char}/${n}`);
        const font = order[n % order.length] as Font;
        const tile = draw(rng, font, char, mates, rng.pick(photos));
        if (tile.every((value, i) => Math.abs(value - (tile[i % 3] ?? 0)) < 6)) continue;
        buffer.add(tile, label, fontTag(font));
        used.add(font);
        made += 1;
      }
      if (made < PER_CLASS) throw new Error(`too few drawings of ${char}`);
      classes.push(char);
      taken += 1;
    }
    console.log(`  ${script}: ${taken} of ${mates.length} characters`);
  }
  return [
    {
      id: 'scripts',
      kind: 'pretraining',
      split: 'train',
      title: 'Letters of other scripts',
      description:
        'Rendered letters of non-Latin scripts and signs, one class per character, training fonts ' +
        'only: no Latin letter, no digit, no hiragana.',
      synthetic: true,
      classes,
      pixels: buffer.pixels,
      labels: buffer.labels,
      groups: buffer.groups,
      sources: fontSources([...used]),
    },
  ];
}
