/** Handlers of the Routing view. */
import type { Tensor } from '../lib/tensor.ts';
import { summariseRouting } from '../routing/summary.ts';
import { readEvents } from '../runs/events.ts';
import { corruptionOf, seenTasks } from '../runs/protocol.ts';
import type { RecipeMethod, Recipe } from '../runs/recipe.ts';
import { readRunRecipe, type RunFolder } from '../runs/run-folder.ts';
import { lambda0Of } from './curves.ts';
import { implementer } from './implementer.ts';
import { labelsOf } from './labels.ts';
import { noResult } from './results.ts';
import { methodTitle, runOf } from './run-cards.ts';
import type { Session } from './session.ts';

const on = implementer.routing;

interface Routed {
  readonly run: RunFolder;
  readonly recipe: Recipe;
  readonly entry: RecipeMethod;
  /** By task in recipe order, which is the order of the experts. */
  readonly routing: ReadonlyMap<string, Tensor>;
}

async function routed(session: Session, id: string, method: string): Promise<Routed> {
  const run = await runOf(session.project.folder, id);
  const { recipe } = await readRunRecipe(run);
  const entry = recipe.methods.find((each) => each.id === method);
  if (entry === undefined) throw noResult(run, `there is no method "${method}"`);
  const loaded = await session.results.routing(run, method);
  const routing = new Map(
    recipe.tasks.flatMap((task) => {
      const lambdas = loaded.get(task.id);
      return lambdas === undefined ? [] : [[task.id, lambdas] as const];
    }),
  );
  return { run, recipe, entry, routing };
}

function ofTask({ run, routing, entry }: Routed, task: string): Tensor {
  const lambdas = routing.get(task);
  if (lambdas !== undefined) return lambdas;
  throw noResult(run, `method "${entry.id}" has no routing weights for task "${task}"`);
}

export const routingHandlers = {
  methods: on.methods.handler(async ({ input, context: { session } }) => {
    const run = await runOf(session.project.folder, input.run);
    const { recipe } = await readRunRecipe(run);
    const found: { method: string; title: string }[] = [];
    for (const entry of recipe.methods) {
      const routing = await session.results.routing(run, entry.id).catch(() => undefined);
      if (routing !== undefined) found.push({ method: entry.id, title: methodTitle(entry) });
    }
    return found;
  }),

  get: on.get.handler(async ({ input, context: { session } }) => {
    const { recipe, entry, routing } = await routed(session, input.run, input.method);
    const { tasks, mean, deviation, firstChoice } = summariseRouting(routing);
    const copy = (values: readonly (readonly (readonly number[])[])[]) =>
      values.map((rows) => rows.map((row) => [...row]));
    return {
      method: entry.id,
      title: methodTitle(entry),
      tasks: [...tasks],
      experts: seenTasks(recipe).map(({ id }) => id),
      layers: mean.length,
      lambda0: lambda0Of(entry),
      images: Object.fromEntries([...routing].map(([task, { shape }]) => [task, shape[0] ?? 0])),
      corruptions: Object.fromEntries(
        tasks.flatMap((task) => {
          const choice = corruptionOf(recipe, task);
          return choice === undefined ? [] : [[task, { ...choice, seed: recipe.seed }] as const];
        }),
      ),
      mean: copy(mean),
      deviation: copy(deviation),
      firstChoice: firstChoice.map((row) => [...row]),
    };
  }),

  snapshots: on.snapshots.handler(async ({ input, context: { session } }) => {
    const run = await runOf(session.project.folder, input.run);
    const events = await readEvents(run.eventsPath);
    const taken = events.flatMap((event) =>
      event.type === 'adaptation.routing' && event.method === input.method ? [event] : [],
    );
    if (taken.length === 0) throw noResult(run, `method "${input.method}" has no routers`);
    return { steps: taken.map(({ step }) => step), mean: taken.map(({ lambda }) => lambda) };
  }),

  images: on.images.handler(async ({ input, context: { session } }) => {
    const found = await routed(session, input.run, input.method);
    const { shape, data } = ofTask(found, input.task);
    const [images = 0, layers = 0, experts = 0] = shape;
    const expert = seenTasks(found.recipe).findIndex(({ id }) => id === input.expert);
    if (input.layer >= layers || expert === -1) {
      throw noResult(found.run, `there is no layer ${input.layer} or no expert "${input.expert}"`);
    }
    const lambda = (image: number) => data[(image * layers + input.layer) * experts + expert] ?? 0;
    const sign = input.order === 'highest' ? -1 : 1;
    const order = Array.from({ length: images }, (_, image) => image);
    order.sort((a, b) => sign * (lambda(a) - lambda(b)) || a - b);
    const page = order.slice(input.offset, input.offset + input.limit);
    return { total: images, images: page.map((image) => ({ image, lambda: lambda(image) })) };
  }),

  image: on.image.handler(async ({ input, context: { session } }) => {
    const found = await routed(session, input.run, input.method);
    const { shape, data } = ofTask(found, input.task);
    const [images = 0, layers = 0, experts = 0] = shape;
    const { image, task } = input;
    if (image >= images) throw noResult(found.run, `task "${task}" has no image ${image}`);
    const { labels, classNames } = await labelsOf(found.run, task);
    const { predicted, confidence } = await session.results.predictions(
      found.run,
      input.method,
      task,
    );
    const className = (index: number | undefined) => classNames[index ?? -1] ?? 'unknown';
    return {
      lambda: Array.from({ length: layers }, (_, layer) => {
        const start = (image * layers + layer) * experts;
        return [...data.subarray(start, start + experts)];
      }),
      label: className(labels[image]),
      predicted: className(predicted[image]),
      confidence: confidence?.[image] ?? null,
    };
  }),
};
