import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  averageAccuracy,
  formatReport,
  isMerged,
  locateReport,
  normalizedAverage,
  parseReport,
  type MethodReport,
  type Report,
} from '../../../main/runs/report.ts';

const engine = {
  id: 'onnx',
  title: 'ONNX Runtime, CPU',
  device: 'cpu',
  precision: 'fp32',
  threads: 2,
};

function reportOf(methods: readonly MethodReport[], tasks: readonly string[]): Report {
  return {
    schema: 1,
    recipe: 'a'.repeat(64),
    seed: 0,
    engine,
    adaptationData: 'test images without labels',
    tasks: [...tasks],
    taskDetails: tasks.map((id) => ({ id, title: id, classes: 10, images: 500, synthetic: false })),
    methods: [...methods],
    run: '.',
    exported: 'exported',
  };
}

const method: MethodReport = {
  id: 'wemoe_2',
  title: 'WEMoE',
  average: 0.5,
  normalizedAverage: 0.9,
  accuracy: { b: 0.25, a: 0.75 },
};

describe('normalizedAverage', () => {
  it('is the mean of the ratios, not the ratio of the means', () => {
    const individual = { a: 0.5, b: 1 };
    expect(normalizedAverage({ a: 0.5, b: 0.5 }, individual, ['a', 'b'])).toBe(0.75);
    expect(averageAccuracy({ a: 0.5, b: 0.5 }, ['a', 'b'])).toBe(0.5);
    expect(normalizedAverage(individual, individual, ['a', 'b'])).toBe(1);
  });

  it('may exceed 1', () => {
    expect(normalizedAverage({ a: 0.9 }, { a: 0.6 }, ['a'])).toBeCloseTo(1.5, 12);
  });

  it('is null when there is nothing to compare with', () => {
    expect(normalizedAverage({ a: 0.5 }, undefined, ['a'])).toBeNull();
    expect(normalizedAverage({ a: 0.5 }, {}, ['a'])).toBeNull();
    expect(normalizedAverage({ a: 0.5 }, { a: 0 }, ['a'])).toBeNull();
    expect(normalizedAverage({ toString: 0.5 }, {}, ['toString'])).toBeNull();
  });

  it('does not guess a missing accuracy', () => {
    expect(() => normalizedAverage({}, { a: 1 }, ['a'])).toThrow('no accuracy for task a');
    expect(() => averageAccuracy({}, ['a'])).toThrow('no accuracy for task a');
    expect(() => averageAccuracy({}, [])).toThrow('no tasks');
  });
});

describe('formatReport', () => {
  it('writes the promised shape, tasks in recipe order, whatever order it was built in', () => {
    const report = reportOf([method], ['b', 'a']);
    const text = formatReport(report);
    expect(text).toBe(`{
  "schema": 1,
  "recipe": "${'a'.repeat(64)}",
  "seed": 0,
  "engine": {
    "id": "onnx",
    "title": "ONNX Runtime, CPU",
    "device": "cpu",
    "precision": "fp32",
    "threads": 2
  },
  "adaptationData": "test images without labels",
  "tasks": [
    "b",
    "a"
  ],
  "taskDetails": [
    {
      "id": "b",
      "title": "b",
      "classes": 10,
      "images": 500,
      "synthetic": false
    },
    {
      "id": "a",
      "title": "a",
      "classes": 10,
      "images": 500,
      "synthetic": false
    }
  ],
  "methods": [
    {
      "id": "wemoe_2",
      "title": "WEMoE",
      "average": 0.5,
      "normalizedAverage": 0.9,
      "accuracy": {
        "b": 0.25,
        "a": 0.75
      }
    }
  ],
  "run": ".",
  "exported": "exported"
}
`);
    const { schema, ...rest } = report;
    const methods = [{ ...method, accuracy: { a: 0.75, b: 0.25 } }];
    const reordered = { ...rest, methods, schema };
    expect(formatReport(reordered)).toBe(text);
  });

  const share = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0);
  const byTask = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Record<string, Value>> =>
    fc.record({ mnist: value, svhn: value });
  const methods = fc.record(
    {
      id: fc.stringMatching(/^[a-z]{1,8}$/),
      title: fc.string(),
      average: share,
      normalizedAverage: fc.option(share),
      accuracy: byTask(share),
      method: fc.string(),
      parameters: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.oneof(fc.nat(), fc.string()), {
        noNullPrototype: true,
      }),
      reduction: fc.constant({ adaptation: 'batch-mean', evaluation: 'per-sample' } as const),
      trainableParameters: fc.nat(),
      modelParameters: fc.nat(),
      perClass: byTask(fc.array(fc.option(share), { maxLength: 3 })),
      confusion: byTask(fc.array(fc.array(fc.nat(), { maxLength: 2 }), { maxLength: 2 })),
    },
    { requiredKeys: ['id', 'title', 'average', 'normalizedAverage', 'accuracy'] },
  );

  it('reads back as the same report with the same bytes', () => {
    fc.assert(
      fc.property(fc.array(methods, { maxLength: 3 }), (list) => {
        const report = reportOf(list, ['mnist', 'svhn']);
        const text = formatReport(report);
        const again = parseReport(text, 'report.json');
        expect(again).toEqual(report);
        expect(formatReport(again)).toBe(text);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses accuracies that are none', () => {
    const report = reportOf([{ ...method, average: Number.NaN }], ['b', 'a']);
    expect(() => formatReport(report)).toThrow();
  });
});

describe('parseReport', () => {
  it.each([
    ['no JSON', '{', /not JSON/],
    ['another schema', formatReport(reportOf([], [])).replace('1', '2'), /wrong at "schema"/],
    [
      'an accuracy in percent',
      formatReport(reportOf([method], ['b', 'a'])).replace('0.25', '25'),
      /wrong at "methods\.0\.accuracy\.b"/,
    ],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseReport(text, 'report.json')).toThrow(
      expect.objectContaining({
        code: 'report.invalid',
        what: expect.stringMatching(message) as unknown,
        where: 'report.json',
      }),
    );
  });
});

it('tells merges from what they are compared with', () => {
  expect(isMerged(method)).toBe(true);
  expect(isMerged({ ...method, id: 'pretrained' })).toBe(false);
  expect(isMerged({ ...method, id: 'upper bound', method: 'individual' })).toBe(false);
});

it('locates the run and the exported model', () => {
  const report = reportOf([method], ['b', 'a']);
  expect(locateReport(report, '/runs/demo-0001')).toMatchObject({
    run: '/runs/demo-0001',
    exported: '/runs/demo-0001/exported',
  });
  expect(locateReport({ ...report, exported: null }, '/runs/x').exported).toBeNull();
  expect(locateReport({ ...report, exported: '/out' }, '/runs/x').exported).toBe('/out');
});
