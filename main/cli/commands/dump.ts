import { dirname, resolve } from 'node:path';
import { adaptationStep } from '../../adaptation/objective.ts';
import { describeLowering } from '../../engine/onnx/model.ts';
import { createEngine } from '../../engine/choice.ts';
import { encoderProgram } from '../../evaluation/evaluate.ts';
import { printProgram } from '../../graph/print.ts';
import type { Program } from '../../graph/program.ts';
import { AppError } from '../../lib/errors.ts';
import { methodCatalogue } from '../../runs/catalogue.ts';
import { loadInputs } from '../../runs/inputs.ts';
import { readRecipe, resolveRecipePaths } from '../../runs/recipe.ts';
import { initialValues, type MergedModel } from '../../models/merged-model.ts';
import { prepareMethod, type PreparedMethod } from '../../runs/prepare-method.ts';
import { defineCommand } from '../command.ts';

export const dump = defineCommand({
  name: 'dump',
  summary: 'Print the tensor program of a method, at any stage',
  description:
    'encoder is the forward pass of the merged model, step one adaptation step with its derivatives; the -onnx stages print the nodes they are lowered to.',
  example: 'mergewright dump recipe.yaml --method wemoe_2 --stage step',
  positionals: [{ name: 'RECIPE', summary: 'a recipe.yaml' }],
  options: {
    method: { kind: 'text', value: 'ID', required: true, summary: 'method of the recipe' },
    stage: {
      kind: 'text',
      value: 'STAGE',
      choices: ['encoder', 'step', 'encoder-onnx', 'step-onnx'],
      summary: 'encoder (default), step, encoder-onnx or step-onnx',
    },
  },
  async run({ method, stage = 'encoder' }, [path = ''], { signal }) {
    const recipe = await readRecipe(path, methodCatalogue);
    const entry = recipe.methods.find(({ id }) => id === method);
    const resolved = resolveRecipePaths(recipe, dirname(resolve(path)));
    const inputs = await loadInputs(resolved, () => undefined, signal);
    try {
      const engine = await createEngine('onnx');
      // A program is the same whatever a merge before has learned.
      const learned = (_id: string, model: MergedModel) => initialValues(model);
      const context = { recipe: resolved, inputs, engine, signal, learned };
      const prepared = entry && (await prepareMethod(entry, context));
      if (prepared === undefined) {
        throw new AppError('recipe.unknown_method', {
          what: `"${method}" is no method with a model of its own`,
          where: path,
          hint: `choose one of: ${recipe.methods.map(({ id }) => id).join(', ')}`,
        });
      }
      const classes = Math.max(...inputs.tasks.map(({ set }) => set.classNames.length));
      const program = stage.startsWith('encoder')
        ? encoderProgram(prepared.model, {
            batch: recipe.evaluation.batch,
            reduction: prepared.settings?.reduction?.evaluation ?? 'per-sample',
          })
        : stepProgram(prepared, {
            tasks: inputs.tasks.length,
            batch: recipe.adaptation.batch,
            classes,
          });
      const text = stage.endsWith('-onnx') ? describeLowering(program) : printProgram(program);
      return { text: text.trimEnd(), json: { method, stage, program: text } };
    } finally {
      await inputs.close();
    }
  },
});

function stepProgram(
  { model, settings }: PreparedMethod,
  shape: { tasks: number; batch: number; classes: number },
): Program {
  return adaptationStep(model, {
    ...shape,
    reduction: settings?.reduction?.adaptation ?? 'per-sample',
    objective: settings?.objective ?? 'entropy',
    diversity: settings?.diversity ?? 0,
  });
}
