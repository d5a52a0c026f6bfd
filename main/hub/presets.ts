/**
 * Collections of models that are merged together: a base model and its experts, by their names on the Hub. The
 * experts of CLIP are FusionBench's (https://arxiv.org/abs/2406.03280): the 8 tasks of task arithmetic, and the
 * 14 and 20 of TALL masks.
 */
import { z } from 'zod';
import base16 from '../../assets/presets/clip-vit-base-patch16.json' with { type: 'json' };
import base32 from '../../assets/presets/clip-vit-base-patch32.json' with { type: 'json' };
import large14 from '../../assets/presets/clip-vit-large-patch14.json' with { type: 'json' };
import { closest } from '../lib/closest.ts';
import { AppError } from '../lib/errors.ts';
import { parseHubName } from './name.ts';

const hubName = z.string().refine((text) => parseHubName(text) !== undefined);
const count = z.int().min(1);

/** A file of assets/presets. */
const collectionSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  base: hubName,
  /** Of each model; the base brings its text tower along, the experts have the vision tower alone. */
  parameters: z.strictObject({ base: count, expert: count }),
  /** How many of the experts, from the first. */
  sets: z.array(z.strictObject({ id: z.string(), title: z.string(), tasks: count })),
  experts: z.array(z.strictObject({ task: z.string(), title: z.string(), model: hubName })),
});

export interface PresetExpert {
  readonly task: string;
  readonly title: string;
  readonly model: string;
}

export interface Preset {
  readonly id: string;
  readonly title: string;
  readonly base: string;
  readonly experts: readonly PresetExpert[];
  /** Told from the number of parameters; the Hub gives the exact size. */
  readonly approximateBytes: { readonly base: number; readonly expert: number };
}

/** All of them are stored as fp32. */
const bytesPerParameter = 4;

export const presets: readonly Preset[] = [base32, base16, large14].flatMap((file) => {
  const { id, title, base, parameters, sets, experts } = collectionSchema.parse(file);
  return sets.map((set) => ({
    id: `${id}-${set.id}`,
    title: `${title}, ${set.title}`,
    base,
    experts: experts.slice(0, set.tasks),
    approximateBytes: {
      base: bytesPerParameter * parameters.base,
      expert: bytesPerParameter * parameters.expert,
    },
  }));
});

export function findPreset(id: string): Preset | undefined {
  return presets.find((preset) => preset.id === id);
}

/** The size of a model that a preset names; undefined for any other. */
export function approximateBytes(repository: string): number | undefined {
  for (const { base, experts, approximateBytes: bytes } of presets) {
    if (base === repository) return bytes.base;
    if (experts.some(({ model }) => model === repository)) return bytes.expert;
  }
  return undefined;
}

/** The base first. */
export function modelsOfPreset({ base, experts }: Preset): readonly string[] {
  return [base, ...experts.map(({ model }) => model)];
}

/** Throws `hub.unknown_preset`. */
export function requirePreset(id: string): Preset {
  const found = findPreset(id);
  if (found !== undefined) return found;
  const ids = presets.map((preset) => preset.id);
  const meant = closest(id, ids);
  throw new AppError('hub.unknown_preset', {
    what: `there is no preset "${id}"${meant === undefined ? '' : ` (did you mean "${meant}"?)`}`,
    hint: `there are ${ids.join(', ')}; a model is named owner/name`,
  });
}
