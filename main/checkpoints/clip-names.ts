/**
 * The names of CLIP's tensors in OpenCLIP (and OpenAI's and the task-vector programs' encoders) and in the
 * Hugging Face layout, as a table that is read in both directions. OpenCLIP keeps query, key and value in
 * one tensor, and its projections transposed.
 */
import type { StoredCheckpoint } from './checkpoint.ts';
import { shown } from './fail.ts';
import { viewed, type ViewedTensor } from './views.ts';

interface Row {
  readonly openClip: string;
  /** Three names: the rows of the OpenCLIP tensor in equal parts. */
  readonly huggingFace: string | readonly [string, string, string];
  readonly transposed?: boolean;
}

const both = (openClip: string, huggingFace: string): readonly Row[] =>
  ['weight', 'bias'].map((part) => ({
    openClip: `${openClip}.${part}`,
    huggingFace: `${huggingFace}.${part}`,
  }));

const vision: readonly Row[] = [
  { openClip: 'class_embedding', huggingFace: 'vision_model.embeddings.class_embedding' },
  { openClip: 'conv1.weight', huggingFace: 'vision_model.embeddings.patch_embedding.weight' },
  {
    openClip: 'positional_embedding',
    huggingFace: 'vision_model.embeddings.position_embedding.weight',
  },
  ...both('ln_pre', 'vision_model.pre_layrnorm'),
  ...both('ln_post', 'vision_model.post_layernorm'),
  { openClip: 'proj', huggingFace: 'visual_projection.weight', transposed: true },
];

const text: readonly Row[] = [
  {
    openClip: 'token_embedding.weight',
    huggingFace: 'text_model.embeddings.token_embedding.weight',
  },
  {
    openClip: 'positional_embedding',
    huggingFace: 'text_model.embeddings.position_embedding.weight',
  },
  ...both('ln_final', 'text_model.final_layer_norm'),
  { openClip: 'text_projection', huggingFace: 'text_projection.weight', transposed: true },
];

/** One residual block, below `transformer.resblocks.N` and `encoder.layers.N`. */
const block: readonly Row[] = [
  ...both('ln_1', 'layer_norm1'),
  ...both('ln_2', 'layer_norm2'),
  ...both('attn.out_proj', 'self_attn.out_proj'),
  ...both('mlp.c_fc', 'mlp.fc1'),
  ...both('mlp.c_proj', 'mlp.fc2'),
  ...(['weight', 'bias'] as const).map((part): Row => ({
    openClip: `attn.in_proj_${part}`,
    huggingFace: [
      `self_attn.q_proj.${part}`,
      `self_attn.k_proj.${part}`,
      `self_attn.v_proj.${part}`,
    ],
  })),
];

/** Where the two towers begin. The text tower of newer OpenCLIP models is a module of its own. */
interface Prefixes {
  readonly model: string;
  readonly text: string;
}

/** What encoders of several programs put before OpenCLIP's names. */
const modelPrefixes = ['', 'model.', 'image_encoder.model.'];
const textPrefixes = ['', 'text.'];

/** The rows of all tensors of a model, with the numbers of its blocks filled in. */
function rowsOf({ model, text: textPrefix }: Prefixes, blocks: readonly number[]): readonly Row[] {
  const under = (rows: readonly Row[], openClip: string, huggingFace = ''): readonly Row[] =>
    rows.map((row) => ({
      ...row,
      openClip: openClip + row.openClip,
      huggingFace:
        typeof row.huggingFace === 'string'
          ? huggingFace + row.huggingFace
          : (row.huggingFace.map((name) => huggingFace + name) as [string, string, string]),
    }));
  const towers = blocks.flatMap((n) => [
    ...under(block, `visual.transformer.resblocks.${n}.`, `vision_model.encoder.layers.${n}.`),
    ...under(block, `${textPrefix}transformer.resblocks.${n}.`, `text_model.encoder.layers.${n}.`),
  ]);
  const scale = { openClip: 'logit_scale', huggingFace: 'logit_scale' };
  const tops = [...under(vision, 'visual.'), ...under(text, textPrefix), scale];
  return under([...tops, ...towers], model);
}

function blockNumbers(names: Iterable<string>, pattern: RegExp): readonly number[] {
  const numbers = new Set<number>();
  for (const name of names) {
    const number = pattern.exec(name)?.[1];
    if (number !== undefined) numbers.add(Number(number));
  }
  return [...numbers].sort((a, b) => a - b);
}

function finished(
  checkpoint: StoredCheckpoint,
  views: ReadonlyMap<string, ViewedTensor>,
  layout: string,
): StoredCheckpoint {
  const used = new Set([...views.values()].flatMap(({ parts }) => parts.map(({ from }) => from)));
  const left = [...checkpoint.tensors.keys()].filter((name) => !used.has(name));
  const notes = [`Its CLIP names are shown in the layout of ${layout}.`];
  if (left.length > 0) {
    notes.push(
      `${left.length} tensors without a place there are left out ("${shown(left[0]!)}" first).`,
    );
  }
  return viewed(checkpoint, views, notes);
}

function openClipPrefixes(names: ReadonlyMap<string, unknown>): Prefixes | undefined {
  for (const model of modelPrefixes) {
    for (const textPrefix of textPrefixes) {
      if (names.has(`${model}${textPrefix}transformer.resblocks.0.attn.in_proj_weight`)) {
        return { model, text: textPrefix };
      }
    }
    if (names.has(`${model}visual.transformer.resblocks.0.attn.in_proj_weight`)) {
      return { model, text: '' };
    }
  }
  return undefined;
}

/** A checkpoint with OpenCLIP's names in the Hugging Face layout; undefined when it has none. */
export function asHuggingFaceClip(checkpoint: StoredCheckpoint): StoredCheckpoint | undefined {
  const { tensors } = checkpoint;
  const prefixes = openClipPrefixes(tensors);
  if (prefixes === undefined) return undefined;
  const blocks = blockNumbers(
    tensors.keys(),
    /transformer\.resblocks\.(\d+)\.attn\.in_proj_weight$/,
  );
  const views = new Map<string, ViewedTensor>();
  for (const { openClip, huggingFace, transposed = false } of rowsOf(prefixes, blocks)) {
    const stored = tensors.get(openClip);
    if (stored === undefined) continue;
    if (typeof huggingFace === 'string') {
      views.set(huggingFace, { parts: [{ from: openClip }], transposed });
      continue;
    }
    const third = (stored.shape[0] ?? 0) / 3;
    for (const [i, name] of huggingFace.entries()) {
      views.set(name, { parts: [{ from: openClip, rows: [i * third, (i + 1) * third] }] });
    }
  }
  return finished(checkpoint, views, 'Hugging Face');
}

/** A checkpoint in the Hugging Face layout of CLIP with OpenCLIP's names; undefined when it is none. */
export function asOpenClip(checkpoint: StoredCheckpoint): StoredCheckpoint | undefined {
  const { tensors } = checkpoint;
  const pattern = /^(?:vision|text)_model\.encoder\.layers\.(\d+)\.self_attn\.q_proj\.weight$/;
  const blocks = blockNumbers(tensors.keys(), pattern);
  if (blocks.length === 0) return undefined;
  const views = new Map<string, ViewedTensor>();
  for (const { openClip, huggingFace, transposed = false } of rowsOf(
    { model: '', text: '' },
    blocks,
  )) {
    const names = typeof huggingFace === 'string' ? [huggingFace] : huggingFace;
    if (!names.every((name) => tensors.has(name))) continue;
    views.set(openClip, { parts: names.map((from) => ({ from })), transposed });
  }
  return finished(checkpoint, views, 'OpenCLIP');
}
