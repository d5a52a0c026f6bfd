/** What a person chooses to download. */
import type { HubPreset } from '../../../main/api/hub.ts';

interface SelectedExpert {
  readonly model: string;
  readonly title: string;
  readonly task: string;
}

export interface Selection {
  /** Those that the project lacks are not added to it: it names them already. */
  readonly kind: 'preset' | 'names' | 'missing';
  /** What names the missing ones: "The project". */
  readonly namedBy?: string;
  /** What follows the download of missing ones. */
  readonly then?: () => Promise<void>;
  readonly models: readonly string[];
  readonly base: string | undefined;
  readonly experts: readonly SelectedExpert[];
  readonly preset?: string;
}

export function selectionOfPreset({ id, base, experts }: HubPreset): Selection {
  const models = [base, ...experts.map(({ model }) => model)];
  return { kind: 'preset', models, base, experts: [...experts], preset: id };
}

/** The names in a text, separated by spaces, commas or lines. */
function namesIn(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((name) => name !== ''))];
}

/** Models by name: all are experts, or the first is their base. Undefined where none is named. */
export function selectionOfNames(text: string, firstIsBase: boolean): Selection | undefined {
  const models = namesIn(text);
  if (models.length === 0) return undefined;
  const [first] = models;
  const experts = firstIsBase ? models.slice(1) : models;
  return {
    kind: 'names',
    models,
    base: firstIsBase ? first : undefined,
    experts: experts.map((model) => {
      const title = plainName(model);
      return { model, title: title.slice(0, 100), task: taskId(title) };
    }),
  };
}

/** The name without its owner and revision. */
export function plainName(model: string): string {
  const [path = ''] = model.replace(/^hub:/, '').split('@');
  return path.split('/').at(-1) ?? path;
}

/** A task id as the contract has them. */
function taskId(title: string): string {
  return title.replace(/^[^A-Za-z0-9]+/, '').slice(0, 64) || 'task';
}
