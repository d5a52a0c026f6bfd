/** A recipe in lines, for files that say more than the form can show. */
import { basename } from 'node:path';
import type { WeightsFile } from '../../api/weights.ts';
import { modelsOf } from '../../merging/planning/open-models.ts';
import type { MergeRecipe, ModelPart, RecipeSlice } from '../../merging/planning/recipe.ts';
import {
  isConditions,
  type DepthValue,
  type ParameterSetting,
  type ParameterSettings,
} from '../../merging/planning/values.ts';

type Summary = WeightsFile['summary'];

export function summaryOf(recipe: MergeRecipe, method: string): Summary {
  const { base, slices, parameters, fixes, tokenizer, chatTemplate } = recipe;
  const lines: Summary = [
    { label: 'Method', text: method },
    { label: 'Models', text: modelsOf(recipe).map(title).join(', ') },
  ];
  if (base !== undefined) lines.push({ label: 'Base', text: title(base) });
  lines.push(...settingLines('All models', parameters));
  for (const [index, slice] of slices.entries()) {
    const label = slices.length === 1 ? 'Merged' : `Slice ${index + 1}`;
    lines.push({ label, text: partsText(slice) });
    lines.push(...settingLines(label, slice.parameters));
    for (const { model, parameters: own } of slice.experts) {
      lines.push(...settingLines(title(model), own));
    }
  }
  if (fixes.length > 0) lines.push({ label: 'Fixes', text: fixes.join(', ') });
  if (tokenizer !== undefined) lines.push({ label: 'Tokenizer of', text: title(tokenizer) });
  if (chatTemplate !== undefined) lines.push({ label: 'Chat template', text: chatTemplate });
  return lines;
}

function title(reference: string): string {
  return reference
    .split('+')
    .map((path) => basename(path))
    .join(' + ');
}

function partsText({ base, experts }: RecipeSlice): string {
  const onto = base === undefined ? '' : ` on ${partText(base)}`;
  return `${experts.map(partText).join(', ')}${onto}`;
}

function partText({ model, layers }: ModelPart): string {
  if (layers === undefined) return title(model);
  return `${title(model)} layers ${layers[0]}–${layers[1] - 1}`;
}

function settingLines(whose: string, settings: ParameterSettings): Summary {
  return Object.entries(settings).map(([key, setting]) => ({
    label: `${whose}: ${key}`,
    text: settingText(setting),
  }));
}

function settingText(setting: ParameterSetting): string {
  if (!isConditions(setting)) return depthText(setting);
  return setting
    .map(
      ({ filter, value }) =>
        `${depthText(value)} ${filter === undefined ? 'elsewhere' : `in “${filter}”`}`,
    )
    .join('; ');
}

function depthText(value: DepthValue): string {
  return typeof value === 'object' ? `${value.join(' → ')} over depth` : String(value);
}
