import { cruise, type ICruiseOptions, type IFlattenedRuleSet } from 'dependency-cruiser';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

type Layers = IFlattenedRuleSet & { options: { enhancedResolveOptions: object } };
const layers = createRequire(import.meta.url)('../../build/layers.cjs') as Layers;

/** [importing file, what it imports, the rule that must object]. */
const forbidden: [from: string, to: string, rule: string][] = [
  ['main/lib/a.ts', 'main/data/thing.ts', 'layer-lib'],
  ['main/checkpoints/a.ts', 'main/graph/thing.ts', 'layer-checkpoints'],
  ['main/data/a.ts', 'main/checkpoints/thing.ts', 'layer-data'],
  ['main/graph/a.ts', 'main/engine/thing.ts', 'layer-graph'],
  ['main/engine/a.ts', 'main/models/thing.ts', 'layer-engine'],
  ['main/models/a.ts', 'main/data/thing.ts', 'layer-models'],
  ['main/models/b.ts', 'main/engine/thing.ts', 'layer-models-types'],
  ['main/models/c.ts', 'main/checkpoints/thing.ts', 'layer-models-types'],
  ['main/text/a.ts', 'main/evaluation/thing.ts', 'layer-text'],
  ['main/merging/a.ts', 'main/runs/thing.ts', 'layer-merging'],
  ['main/adaptation/a.ts', 'main/evaluation/thing.ts', 'layer-adaptation'],
  ['main/evaluation/a.ts', 'main/exporting/thing.ts', 'layer-evaluation'],
  ['main/routing/a.ts', 'main/api/thing.ts', 'layer-routing'],
  ['main/exporting/a.ts', 'main/runs/thing.ts', 'layer-exporting'],
  ['main/runs/a.ts', 'main/host/thing.ts', 'layer-runs'],
  ['main/runs/b.ts', 'main/cli.ts', 'layer-runs'],
  ['main/setup/a.ts', 'main/runs/thing.ts', 'layer-setup'],
  ['main/host/a.ts', 'main/cli.ts', 'layer-host'],
  ['main/api/d.ts', 'main/runs/thing.ts', 'layer-api'],
  ['main/api/e.ts', 'node:fs', 'api-imports-no-node'],
  ['electron/b.ts', 'main/host/thing.ts', 'host-is-an-entry'],
  ['main/lib/b.ts', 'electron/thing.ts', 'product-imports-no-shell'],
  ['main/api/b.ts', 'renderer/thing.ts', 'product-imports-no-shell'],
  ['main/lib/c.ts', 'test/thing.ts', 'product-imports-no-shell'],
  ['main/lib/d.ts', 'build/thing.ts', 'product-imports-no-shell'],
  ['renderer/a.ts', 'main/runs/thing.ts', 'window-imports-only-api'],
  ['renderer/b.ts', 'node:fs', 'window-imports-no-node'],
  ['electron/a.ts', 'renderer/thing.ts', 'shell-imports-no-window'],
  ['main/api/c.ts', 'electron', 'only-shell-imports-electron'],
  ['renderer/c.ts', 'electron', 'only-shell-imports-electron'],
  ['main/exporting/b.ts', 'onnxruntime-node', 'only-onnx-engine-imports-onnxruntime'],
  ['main/engine/tfjs/b.ts', 'onnxruntime-node', 'only-onnx-engine-imports-onnxruntime'],
  ['main/engine/onnx/b.ts', '@tensorflow/tfjs-core', 'only-tfjs-engine-imports-tensorflow'],
  ['main/hub/a.ts', 'main/checkpoints/thing.ts', 'layer-hub'],
  ['main/lib/g.ts', 'node:https', 'only-hub-speaks-to-the-network'],
  ['electron/c.ts', 'node:net', 'only-hub-speaks-to-the-network'],
  ['main/host/b.ts', 'undici', 'only-hub-speaks-to-the-network'],
  ['main/runs/c.ts', 'main/hub/fetch.ts', 'only-faces-download'],
  ['main/adaptation/b.ts', 'main/data/labelled.ts', 'adaptation-sees-no-labels'],
  ['main/adaptation/c.ts', 'main/data/around.ts', 'adaptation-sees-no-labels'],
  ['main/adaptation/d.ts', 'main/data/sources/thing.ts', 'adaptation-sees-no-labels'],
  ['main/lib/circle-end.ts', 'main/lib/circle.ts', 'no-cycles'],
  ['main/lib/e.ts', 'development-tool', 'product-imports-no-development-package'],
  ['main/lib/f.ts', 'main/lib/nowhere.ts', 'imports-resolve'],
];

const allowed: [from: string, to: string][] = [
  ['renderer/ok.ts', 'main/api/thing.ts'],
  ['electron/ok.ts', 'electron'],
  ['electron/ok2.ts', 'main/api/thing.ts'],
  ['main/engine/onnx/ok.ts', 'onnxruntime-node'],
  ['main/engine/tfjs/ok.ts', '@tensorflow/tfjs-core'],
  ['main/adaptation/ok.ts', 'main/data/thing.ts'],
  ['main/evaluation/ok.ts', 'main/data/labelled.ts'],
  ['main/hub/ok.ts', 'undici'],
  ['main/hub/ok2.ts', 'node:net'],
  ['main/host/ok.ts', 'main/hub/fetch.ts'],
  ['main/merging/ok.ts', 'main/hub/cache.ts'],
  ['main/runs/ok.ts', 'main/exporting/thing.ts'],
  ['main/runs/ok2.ts', 'main/api/thing.ts'],
  ['main/host/ok.ts', 'main/runs/thing.ts'],
  ['main/host/ok2.ts', 'main/api/thing.ts'],
  ['test/ok.ts', 'main/runs/thing.ts'],
];

const rooms = 'lib data checkpoints graph engine models text merging adaptation evaluation routing';
const things = [
  ...`${rooms} hub exporting runs api host`.split(' ').map((room) => `main/${room}/thing.ts`),
  ...['main/cli.ts', 'electron/thing.ts', 'renderer/thing.ts', 'test/thing.ts', 'build/thing.ts'],
];

let root = '';
let found: { from: string; to: string; rule: string }[] = [];

function write(file: string, text: string): void {
  const full = path.join(root, file);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, text);
}

function writeImport(from: string, to: string, kind = 'import'): void {
  const isFile = /^(main|electron|renderer|test|build)\//.test(to);
  const relative = path.posix.relative(path.posix.dirname(from), to);
  const target = isFile ? (relative.startsWith('.') ? relative : `./${relative}`) : to;
  write(from, `${kind} { thing } from '${target}';\nexport const own = thing;\n`);
}

beforeAll(async () => {
  root = mkdtempSync(path.join(tmpdir(), 'layers-'));
  const dependencies = { 'onnxruntime-node': '1', '@tensorflow/tfjs-core': '1', undici: '7' };
  const devDependencies = { 'development-tool': '1' };
  write('package.json', JSON.stringify({ name: 'tree', dependencies, devDependencies }));
  for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0' }));
    write(`node_modules/${name}/index.js`, 'exports.thing = 1;\n');
  }
  for (const file of things) write(file, 'export const thing = 1;\n');
  for (const file of [
    ...['main/data/labelled.ts', 'main/data/sources/thing.ts'],
    ...['main/hub/fetch.ts', 'main/hub/cache.ts'],
  ]) {
    write(file, 'export const thing = 1;\n');
  }
  for (const [from, to] of [...forbidden, ...allowed]) writeImport(from, to);
  writeImport('main/data/around.ts', 'main/data/labelled.ts');
  writeImport('main/lib/circle.ts', 'main/lib/circle-end.ts');
  writeImport('main/lib/type-circle.ts', 'main/lib/type-circle-end.ts', 'import type');
  writeImport('main/lib/type-circle-end.ts', 'main/lib/type-circle.ts');
  writeImport('main/models/types.ts', 'main/engine/thing.ts', 'import type');

  const options: ICruiseOptions = {
    ruleSet: { forbidden: layers.forbidden ?? [] },
    validate: true,
    baseDir: root,
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
  };
  const { output } = await cruise(
    ['main', 'electron', 'renderer', 'test', 'build'],
    options,
    layers.options.enhancedResolveOptions,
  );
  if (typeof output === 'string') throw new Error(output);
  found = output.summary.violations.map(({ from, to, rule }) => ({ from, to, rule: rule.name }));
}, 60_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the layer rules object to', () => {
  test.each(forbidden)('%s → %s (%s)', (from, _to, rule) => {
    expect(found.filter((violation) => violation.from === from).map((v) => v.rule)).toContain(rule);
  });
});

describe('the layer rules accept', () => {
  test.each(allowed)('%s → %s', (from) => {
    expect(found.filter((violation) => violation.from === from)).toEqual([]);
  });

  test('types of an engine in a model', () => {
    expect(found.filter((violation) => violation.from === 'main/models/types.ts')).toEqual([]);
  });

  test('a cycle that is gone when the program runs', () => {
    expect(found.filter((violation) => violation.from.includes('type-circle'))).toEqual([]);
  });
});

test('every rule has a case here', () => {
  const names = (layers.forbidden ?? []).map((rule) => rule.name);
  expect(new Set(forbidden.map(([, , rule]) => rule))).toEqual(new Set(names));
});
