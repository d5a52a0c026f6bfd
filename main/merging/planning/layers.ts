/** Which tensors belong to which layer, known from their names alone. */

interface Family {
  readonly title: string;
  /** What stands before and after the number of a layer: up to the dots around it. */
  readonly stack: RegExp;
  /** Tensors after the last layer; all others outside of the layers come before the first. */
  readonly after: RegExp;
}

/**
 * Stacks of layers by their customary names. `model.` and `language_model.` may stand before, as
 * wrappers put them there.
 */
const families: readonly Family[] = [
  {
    title: 'CLIP (two encoders)',
    stack: /^((?:vision_model|text_model)\.encoder\.layers\.)(\d+)\./,
    after: /post_layernorm|final_layer_norm|_projection\b|logit_scale/,
  },
  {
    title: 'OpenCLIP',
    stack: /^((?:model\.)?(?:visual\.)?transformer\.resblocks\.)(\d+)\./,
    after: /ln_post|ln_final|\bproj\b|text_projection|logit_scale/,
  },
  {
    title: 'LLaMA-like',
    stack: /^((?:language_model\.)?(?:model\.)?(?:language_model\.)?layers\.)(\d+)\./,
    after: /(?:^|\.)norm\.|lm_head|score\.|classifier/,
  },
  {
    title: 'GPT-2',
    stack: /^((?:transformer\.)?h\.)(\d+)\./,
    after: /ln_f\.|lm_head|score\./,
  },
  {
    title: 'GPT-NeoX',
    stack: /^(gpt_neox\.layers\.)(\d+)\./,
    after: /final_layer_norm|embed_out/,
  },
  {
    title: 'MPT',
    stack: /^(transformer\.blocks\.)(\d+)\./,
    after: /norm_f\.|lm_head/,
  },
  {
    title: 'T5',
    stack: /^((?:encoder|decoder)\.block\.)(\d+)\./,
    after: /final_layer_norm|lm_head/,
  },
  {
    title: 'OPT, BART',
    stack: /^((?:model\.)?(?:encoder|decoder)\.layers\.)(\d+)\./,
    after: /(?:encoder|decoder)\.(?:final_layer_norm|layer_norm)|lm_head|final_logits_bias/,
  },
  {
    title: 'BERT, ViT',
    stack: /^((?:[a-z0-9_]+\.)?encoder\.layers?\.)(\d+)\./,
    after: /pooler|classifier|cls\.|lm_head|(?:^|\.)layernorm\.|qa_outputs/,
  },
  {
    title: 'timm ViT',
    stack: /^(blocks\.)(\d+)\./,
    after: /^(?:norm|fc_norm|head)\./,
  },
];

/** Any numbered part of a name, where no family fits. */
const anyNumber = /^(.*?\.)(\d+)\./;
const afterInGeneral =
  /(?:^|\.)(?:norm|ln_f|final\w*|post_\w+|head|lm_head|fc|classifier|pooler|score|\w*proj(?:ection)?)\./;

export interface Stack {
  /** What its names begin with, e.g. "model.layers."; a layer's number follows. */
  readonly prefix: string;
  readonly layerCount: number;
}

export interface LayerPlace {
  readonly stack: Stack;
  readonly index: number;
  /** The name after the number, without the dot. */
  readonly rest: string;
}

export interface LayerLayout {
  /** What the names look like, for messages. */
  readonly title: string;
  readonly stacks: readonly Stack[];
  /** Undefined for a tensor outside of all layers. */
  layerOf(name: string): LayerPlace | undefined;
  /** Of a tensor outside of the layers: true where it comes after them. */
  isAfter(name: string): boolean;
}

/** Reads the layers out of the names of one model. A model without layers has no stacks. */
export function layerLayout(names: Iterable<string>): LayerLayout {
  const list = [...names];
  for (const { title, stack, after } of families) {
    const stacks = findStacks(list, stack, (count) => count > 0);
    if (stacks.size > 0) return layout(title, stacks, stack, after);
  }
  const stacks = findStacks(list, anyNumber, (count) => count > 1);
  const title = stacks.size === 0 ? 'without numbered layers' : 'layers by number';
  return layout(title, stacks, anyNumber, afterInGeneral);
}

/** Stacks without a gap in their numbers, by prefix. */
function findStacks(
  names: readonly string[],
  pattern: RegExp,
  accepts: (layerCount: number) => boolean,
): ReadonlyMap<string, Stack> {
  const numbers = new Map<string, Set<number>>();
  for (const name of names) {
    const [, prefix = '', number = ''] = pattern.exec(name) ?? [];
    if (prefix === '') continue;
    const seen = numbers.get(prefix) ?? new Set();
    numbers.set(prefix, seen.add(Number(number)));
  }
  return new Map(
    [...numbers]
      .filter(([, seen]) => accepts(seen.size) && Math.max(...seen) === seen.size - 1)
      .map(([prefix, seen]) => [prefix, { prefix, layerCount: seen.size }]),
  );
}

function layout(
  title: string,
  stacks: ReadonlyMap<string, Stack>,
  pattern: RegExp,
  after: RegExp,
): LayerLayout {
  return {
    title,
    stacks: [...stacks.values()],
    layerOf(name) {
      const match = pattern.exec(name);
      const stack = stacks.get(match?.[1] ?? '');
      if (match === null || stack === undefined) return undefined;
      return { stack, index: Number(match[2]), rest: name.slice(match[0].length) };
    },
    isAfter: (name) => after.test(name),
  };
}

/** The depth of a layer: 0 for the first, 1 for the last (and for the only one), as mergekit counts. */
export function depthOf(index: number, layerCount: number): number {
  return layerCount > 1 ? index / (layerCount - 1) : 1;
}
