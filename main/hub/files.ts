/** Which files of a repository a merge needs. */

/** Weight files in the order in which main/checkpoints/open.ts takes them; one of them is enough. */
const weightFiles = [
  'model.safetensors',
  'model.safetensors.index.json',
  'open_clip_model.safetensors',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'open_clip_pytorch_model.bin',
  'adapter_model.safetensors',
  'adapter_model.bin',
];

/** Descriptions, preprocessing and tokenizers: small, and taken where they are there. */
const companions = [
  'config.json',
  'generation_config.json',
  'adapter_config.json',
  'open_clip_config.json',
  'preprocessor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
  'chat_template.jinja',
];

const indexEnding = /\.(safetensors|bin)\.index\.json$/;
const shardNumbers = /-(\d{5})-of-(\d{5})\.(safetensors|bin)$/;

/** The shards of an index, by their names; undefined unless all that their names promise are there. */
function shardsOf(index: string, names: ReadonlySet<string>): string[] | undefined {
  const ending = indexEnding.exec(index)?.[1];
  const prefix = index.replace(indexEnding, '');
  const shards = [...names].filter((name) => {
    const match = shardNumbers.exec(name);
    return match?.[3] === ending && name.slice(0, match?.index) === prefix;
  });
  const [first] = shards;
  const count = first === undefined ? 0 : Number(shardNumbers.exec(first)?.[2]);
  return count > 0 && shards.length === count ? shards.sort() : undefined;
}

/** The names a merge needs of those in a folder, weights last; undefined where its weights are not whole. */
export function neededFiles(present: Iterable<string>): readonly string[] | undefined {
  const names = new Set(present);
  const small = companions.filter((name) => names.has(name));
  for (const file of weightFiles) {
    if (!names.has(file)) continue;
    if (!indexEnding.test(file)) return [...small, file];
    const shards = shardsOf(file, names);
    if (shards !== undefined) return [...small, ...shards, file];
  }
  return undefined;
}
