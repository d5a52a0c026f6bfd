/** Collapse, told from predictions that are made up. */
import { describe, expect, it } from 'vitest';
import { ClassUsage } from '../../../main/adaptation/class-usage.ts';
import { StepCriterion } from '../../../main/adaptation/step-criterion.ts';
import { randomStream } from '../../../main/lib/random.ts';

const batch = 16;
const random = randomStream('class usage');

/** A step of one task: predictions that give `sure` to one class each, drawn by `draw`. */
function step(classes: number, sure: number, draw: () => number) {
  const marginal = new Float32Array(classes);
  let entropy = 0;
  for (let i = 0; i < batch; i++) {
    const chosen = draw();
    for (let c = 0; c < classes; c++) {
      const p = c === chosen ? sure : (1 - sure) / (classes - 1);
      marginal[c]! += p / batch;
      if (p > 0) entropy -= (p * Math.log(p)) / batch;
    }
  }
  return { marginal: [marginal], entropy: [entropy] };
}
const any = (classes: number) => () => Math.floor(classes * random());

describe('usage', () => {
  it('is 1 for classes that are all given equally often, 0 for one', () => {
    const even = new ClassUsage([4], batch);
    even.observe({ marginal: [new Float32Array(4).fill(0.25)], entropy: [0] });
    expect(even.usage[0]).toBeCloseTo(1, 12);
    const one = new ClassUsage([4, 1], batch);
    one.observe({ marginal: [Float32Array.of(0, 1, 0, 0), Float32Array.of(1)], entropy: [0, 0] });
    expect(one.usage).toEqual([0, 1]);
    expect(one.collapsed).toEqual([]); // It was never more.
  });

  it.each([2, 10, 397])('stays near 1 for sure and even predictions of %i classes', (classes) => {
    const usage = new ClassUsage([classes], batch);
    for (let i = 0; i < 200; i++) usage.observe(step(classes, 0.99, any(classes)));
    expect(usage.usage[0]).toBeGreaterThan(0.85);
    expect(usage.collapsed).toEqual([]);
  });

  it('stays up when unsure predictions become sure, whatever the number of images in a step', () => {
    for (const images of [1, 16]) {
      const usage = new ClassUsage([46], images);
      for (let i = 0; i < 400; i++) {
        const { marginal, entropy } = step(46, Math.min(0.99, 0.1 + i / 100), any(46));
        // With one image in a step, its mean prediction is that image's.
        const alone = step(46, Math.min(0.99, 0.1 + i / 100), any(46)).marginal[0]!.fill(0.01 / 45);
        alone[Math.floor(46 * random())] = 0.99;
        usage.observe(images === 1 ? { marginal: [alone], entropy: [0] } : { marginal, entropy });
        expect(usage.collapsed).toEqual([]);
      }
    }
  });

  it('falls when one class takes over, and says so', () => {
    const usage = new ClassUsage([10, 10], batch);
    const healthy = () => step(10, 0.9, any(10));
    const both = (other: ReturnType<typeof step>) => {
      const own = healthy();
      return {
        marginal: [...own.marginal, ...other.marginal],
        entropy: [...own.entropy, ...other.entropy],
      };
    };
    for (let i = 0; i < 40; i++) usage.observe(both(healthy()));
    const before = usage.score;
    for (let i = 0; i < 40; i++) usage.observe(both(step(10, 0.99, () => 3)));
    expect(usage.collapsed.map(({ task }) => task)).toEqual([1]);
    expect(usage.usage[1]).toBeLessThan(0.2);
    expect(usage.collapsed[0]!.peak).toBeGreaterThan(0.95);
    // The mean entropy fell, so the published objective calls this better.
    expect(usage.score).toBeGreaterThan(before + 1);
  });

  it('goes on from its state as if never interrupted', () => {
    const [whole, first] = [new ClassUsage([5], batch), new ClassUsage([5], batch)];
    const steps = Array.from({ length: 20 }, () => step(5, 0.7, any(5)));
    steps.forEach((each) => whole.observe(each));
    steps.slice(0, 8).forEach((each) => first.observe(each));
    const saved = JSON.parse(JSON.stringify(first.state)) as typeof first.state;
    const second = new ClassUsage([5], batch, saved);
    steps.slice(8).forEach((each) => second.observe(each));
    expect(second.state).toEqual(whole.state);
  });
});

describe('the criterion', () => {
  const shape = { classCounts: [6], batch };

  it('of entropy prefers sure and diverse predictions to unsure ones, and these to a single class', () => {
    const scoreOf = (sure: number, draw: () => number) => {
      const criterion = new StepCriterion({ ...shape, objective: 'entropy' });
      for (let i = 0; i < 30; i++) criterion.observe({ loss: 0, ...step(6, sure, draw) });
      return criterion.score;
    };
    const [sure, unsure, single] = [
      scoreOf(0.95, any(6)),
      scoreOf(0.5, any(6)),
      scoreOf(0.999, () => 2),
    ];
    expect(sure).toBeLessThan(unsure);
    expect(unsure).toBeLessThan(single);
  });

  it('is the mutual information: minus its logarithm for one task', () => {
    const criterion = new StepCriterion({ ...shape, objective: 'entropy' });
    const marginal = Float32Array.of(0.5, 0.25, 0.25, 0, 0, 0);
    criterion.observe({ loss: 0, marginal: [marginal], entropy: [0.4] });
    expect(criterion.score).toBeCloseTo(-Math.log(1.5 * Math.LN2 - 0.4), 12);
  });
});
