/** Handlers of the Compare view. */
import { AppError } from '../lib/errors.ts';
import type { TaskPredictions } from '../runs/method-result.ts';
import { implementer } from './implementer.ts';
import { labelsOf } from './labels.ts';
import { runOf } from './run-cards.ts';

const on = implementer.compare;

export const compareHandlers = {
  disagreements: on.disagreements.handler(async ({ input, context: { session } }) => {
    const { folder } = session.project;
    const runA = await runOf(folder, input.a.run);
    const runB = await runOf(folder, input.b.run);
    const { labels, classNames } = await labelsOf(runA, input.task);
    const a = await session.results.predictions(runA, input.a.method, input.task);
    const b = await session.results.predictions(runB, input.b.method, input.task);
    if (a.predicted.length !== labels.length || b.predicted.length !== labels.length) {
      throw new AppError('data.invalid', {
        what: `the two runs saw different images of task "${input.task}", or the set was changed since`,
        hint: 'compare runs on the same image set; run the recipe again where it was changed',
      });
    }
    const differing = [...labels.keys()].filter((image) => {
      const [first, second] = [a.predicted[image], b.predicted[image]];
      if (first === second) return false;
      const [rightA, rightB] = [first === labels[image], second === labels[image]];
      const wanted = { any: true, a: rightA, b: rightB, neither: !rightA && !rightB };
      return wanted[input.right];
    });
    const sure = ({ confidence }: TaskPredictions, image: number) => confidence?.[image] ?? 0;
    const surer = (image: number) => Math.max(sure(a, image), sure(b, image));
    differing.sort((x, y) => surer(y) - surer(x) || x - y);
    const className = (index: number | undefined) => classNames[index ?? -1] ?? 'unknown';
    const answer = ({ predicted, confidence }: TaskPredictions, image: number) => ({
      predicted: className(predicted[image]),
      right: predicted[image] === labels[image],
      confidence: confidence?.[image] ?? null,
    });
    return {
      total: differing.length,
      images: differing.slice(input.offset, input.offset + input.limit).map((image) => ({
        image,
        label: className(labels[image]),
        a: answer(a, image),
        b: answer(b, image),
      })),
    };
  }),
};
