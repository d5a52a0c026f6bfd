import { expect, it } from 'vitest';
import { CancelledError } from '../../../main/lib/errors.ts';
import { elementCount } from '../../../main/lib/tensor.ts';
import type { VisionConfig } from '../../../main/models/vision-config.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { visionTensors } from '../../../main/models/vit.ts';
import { createReferenceEngine } from '../../../main/engine/reference/engine.ts';
import type { RunInputs } from '../../../main/runs/inputs.ts';
import { parseRecipe } from '../../../main/runs/recipe.ts';
import { prepareMethod } from '../../../main/runs/prepare-method.ts';
import { tinyConfig } from '../../support/tiny-models.ts';

/** 14 million weights: enough that their task vectors take longer than a breath. */
const config: VisionConfig = {
  ...tinyConfig,
  hiddenSize: 384,
  intermediateSize: 1536,
  layerCount: 8,
  headCount: 6,
};

function model() {
  const weights = [...visionTensors(config)].map(
    ([name, shape]) => [name, { shape, data: new Float32Array(elementCount(shape)) }] as const,
  );
  return { config, weights: new Map(weights) };
}

it.each(['wemoe', 'adamerging'])(
  'the task vectors of %s are computed with others being answered, a cancel among them',
  async (method) => {
    const task = (id: string) => ({ id, expert: id, head: id, data: id });
    const recipe = parseRecipe(
      JSON.stringify({
        schema: 1,
        name: 'large',
        seed: 0,
        base: 'base',
        tasks: ['a', 'b', 'c'].map(task),
        methods: [{ id: method }],
      }),
      'recipe.yaml',
    );
    const inputs: Pick<RunInputs, 'base' | 'experts'> = {
      base: model(),
      experts: recipe.tasks.map(model),
    };
    const context = {
      recipe,
      inputs: inputs as RunInputs,
      engine: createReferenceEngine(),
      learned: () => new Map<string, Tensor>(),
    };
    const cancel = new AbortController();
    setImmediate(() => cancel.abort());
    await expect(
      prepareMethod(recipe.methods[0]!, { ...context, signal: cancel.signal }),
    ).rejects.toBeInstanceOf(CancelledError);
    const whole = await prepareMethod(recipe.methods[0]!, { ...context, signal: undefined });
    expect(whole?.model.constants.size).toBeGreaterThan(visionTensors(config).size);
  },
);
