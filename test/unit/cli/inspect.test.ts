import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../main/checkpoints/writer.ts';
import { inspect } from '../../../main/cli/commands/inspect.ts';
import { runProgram } from '../../../main/cli/main.ts';
import type { Tensor } from '../../../main/lib/tensor.ts';
import { formatVisionConfig } from '../../../main/models/vision-config.ts';
import { EventLog } from '../../../main/runs/events.ts';
import { parseRecipe } from '../../../main/runs/recipe.ts';
import { formatReport } from '../../../main/runs/report.ts';
import { createRun, markRun } from '../../../main/runs/run-folder.ts';
import { writeFileDurably } from '../../../main/lib/durable.ts';
import { nearby, randomModel, tinyConfig } from '../../support/tiny-models.ts';
import { reportOf } from './fixture.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inspect-'));
  const base = randomModel('base');
  await writeModel('base', base);
  await writeModel('expert', nearby(base, 'expert', 0.01));
});
afterAll(() => rm(folder, { recursive: true }));

async function writeModel(name: string, weights: ReadonlyMap<string, Tensor>): Promise<void> {
  await mkdir(join(folder, name));
  const config = JSON.stringify(formatVisionConfig(tinyConfig));
  await writeFile(join(folder, name, 'config.json'), config);
  await writeSafetensors(
    join(folder, name, 'model.safetensors'),
    [...weights].map(([tensor, { shape, data }]) => ({ name: tensor, dtype: 'F16', shape, data })),
    new Map([['format', 'pt']]),
  );
}

async function call(
  ...words: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await runProgram(['inspect', ...words], {
    commands: [inspect],
    version: '',
    stdout: { columns: 200, write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out: out.replaceAll(folder, '~'), err: err.replaceAll(folder, '~') };
}

describe('inspect, of a checkpoint', () => {
  it('says what it is', async () => {
    const { code, out } = await call(join(folder, 'base'));
    expect(code).toBe(0);
    expect(out).toBe(`path             ~/base
format           safetensors
architecture     CLIP vision transformer: 2 layers of width 16 (MLP 24, 2 heads, quick_gelu), 8×8 images in 4×4 patches (5 tokens)
parameters       4,848
dtype            F16
size             9.7 kB
tensors          39
metadata format  pt
`);
  });

  it('lists tensors when asked, and everything as JSON', async () => {
    const { out } = await call(join(folder, 'base'), '--tensors');
    expect(out).toMatch(/^vision_model\.embeddings\.class_embedding +F16 \[16\]$/m);
    const json = JSON.parse((await call(join(folder, 'base'), '--tensors', '--json')).out) as {
      architecture: unknown;
      tensors: unknown[];
    };
    expect(json).toMatchObject({
      kind: 'checkpoint',
      dtypes: ['F16'],
      parameterCount: 4848,
      byteLength: 9696,
      tensorCount: 39,
      problem: null,
    });
    expect(json.architecture).toMatchObject({ hiddenSize: 16, layerCount: 2 });
    expect(json.tensors).toHaveLength(39);
  });

  it('compares with a base', async () => {
    const { code, out } = await call(join(folder, 'expert'), '--base', join(folder, 'base'));
    expect(code).toBe(0);
    expect(out).toContain('base             ~/base: compatible\n');
    expect(out).toMatch(/^task vector {6}norm 0\.\d+, \d\.\d\d % of the norm of the base$/m);
    expect(out).toMatch(/^ {2}layer 1 {8}\d\.\d\d %$/m);
    const same = await call(join(folder, 'base'), '--base', join(folder, 'base'));
    expect(same.out).toMatch(/^warning +is identical to the base$/m);
  });

  it('looks at weights that are no encoder, but does not compare them', async () => {
    const head = join(folder, 'head.safetensors');
    const tensor = {
      name: 'weight',
      dtype: 'F32',
      shape: [3, 16],
      data: new Float32Array(48).fill(1),
    } as const;
    await writeSafetensors(head, [tensor]);
    const { code, out } = await call(head);
    expect(code).toBe(0);
    expect(out).toMatch(/^architecture +not a CLIP vision encoder: there is no config\.json/m);
    const compared = await call(head, '--base', join(folder, 'base'));
    expect([compared.code, compared.out]).toEqual([1, '']);
    expect(compared.err).toMatch(/^error\[merge\.incompatible\]: .*~\/head\.safetensors/);
  });

  it('refuses what is damaged or missing, with one error', async () => {
    await writeModel('damaged', randomModel('base'));
    await truncate(join(folder, 'damaged', 'model.safetensors'), 6000);
    const damaged = await call(join(folder, 'damaged'), '--json');
    expect(damaged.code).toBe(1);
    expect(JSON.parse(damaged.out)).toMatchObject({ error: { code: 'checkpoint.truncated' } });
    expect(damaged.err.trim().split('\n')).toHaveLength(1);
    expect(await call(join(folder, 'nothing'))).toMatchObject({ code: 1, out: '' });
  });
});

describe('inspect, of other formats', () => {
  const golden = join(import.meta.dirname, '../../golden');

  async function json<T = unknown>(file: string, ...more: readonly string[]): Promise<T> {
    const { out } = await call(join(golden, file), ...more, '--json');
    return JSON.parse(out) as T;
  }
  interface Globals {
    readonly complete: boolean;
    readonly names: readonly { readonly name: string; readonly allowed: boolean }[];
  }

  it('a training checkpoint of PyTorch, with what is unusual about it', async () => {
    const { code, out } = await call(join(golden, 'pytorch/training.pt'));
    expect(code).toBe(0);
    expect(out).toMatch(/^format +PyTorch$/m);
    expect(out).toMatch(/^metadata epoch +3$/m);
    expect(out).toMatch(/^note +The weights are those under "state_dict"\.$/m);
    expect(await json('pytorch/tied.pt')).toMatchObject({
      format: 'PyTorch',
      shared: [['embed.weight', 'head.weight']],
    });
  });

  it('tied tensors and the family of a model', async () => {
    const tied = await json('pytorch/tied.safetensors');
    expect(tied).toMatchObject({ tied: { 'head.weight': 'embed.weight' }, model: null });
    const { out } = await call(join(golden, 'clip/open_clip.safetensors'));
    expect(out).toMatch(/^architecture +CLIP \(OpenCLIP names\), by its tensor names; not a CLIP/m);
  });

  it('a refused file, and the code it mentions, which is not run', async () => {
    const path = join(golden, 'pytorch/object.pt');
    expect((await call(path)).err).toMatch(/^error\[checkpoint\.pickle_global\]/);
    const { code, out } = await call(path, '--globals');
    expect(code).toBe(0);
    expect(out).toMatch(/^torch\.nn\.modules\.conv\.Conv2d +code: never run/m);
    expect(out).toMatch(/^collections\.OrderedDict +plain weights$/m);
    const later = await json<Globals>('pytorch/protocol4.pt', '--globals');
    expect(later).toMatchObject({ kind: 'globals', complete: true });
    expect(later.names).toContainEqual({ name: 'torch._utils._rebuild_tensor_v2', allowed: true });
    const legacy = await json<Globals>('pytorch/training-legacy.pt', '--globals');
    expect(legacy.complete).toBe(true);
    expect(legacy.names.every(({ allowed }) => allowed)).toBe(true);
    const none = await call(join(golden, 'pytorch/tied.safetensors'), '--globals');
    expect(none.err).toMatch(/^error\[checkpoint\.wrong_format\]/);
  });

  it('an adapter, alone and with its base', async () => {
    const path = join(golden, 'adapters/patterns');
    const { code, out } = await call(path, '--base', join(golden, 'adapters/base.safetensors'));
    expect(code).toBe(0);
    expect(out).toMatch(/^rank +2, alpha 3, scaling 3\.536, 1\.732$/m);
    expect(out).toMatch(/^changes +2 weights; replaces/m);
    expect(out).toMatch(/^base +.*compatible$/m);
    const other = await call(path, '--base', join(golden, 'pytorch/tied.safetensors'));
    expect(other.err).toMatch(/^error\[adapter\.mismatch\]/);
    expect(await json('adapters/patterns')).toMatchObject({
      kind: 'adapter',
      targets: ['first.weight', 'second.weight'],
    });
  });
});

describe('inspect, of a run and a project', () => {
  it('says how far it is and what came out', async () => {
    const recipe = parseRecipe(
      `schema: 1
name: demo
base: b
tasks: [{ id: mnist, expert: e, head: h, data: d }]
methods: [{ id: pretrained }, { id: wemoe_2, method: wemoe }]
`,
      'demo.yaml',
    );
    const project = join(folder, 'project');
    const run = await createRun(project, recipe, folder);
    expect((await call(run.folder)).out).toBe(`run      demo-0001
path     ~/project/runs/demo-0001
status   created
recipe   demo
tasks    mnist
methods  pretrained (not finished), wemoe_2 (not finished)
`);
    const log = await EventLog.open(run.eventsPath, 0);
    await log.append({ type: 'method.finished', method: 'pretrained' });
    for (const loss of [4, 2, 1]) {
      const type = 'adaptation.step';
      const step = log.count;
      await log.append({ type, method: 'wemoe_2', step, loss, entropy: {}, learningRate: 0.1 });
    }
    await writeFileDurably(
      run.reportPath,
      formatReport({ ...reportOf(['mnist']), exported: 'exported' }),
    );
    await markRun(run, 'failed', 'the disk is full');
    const { out } = await call(run.folder);
    expect(out).toContain('status    failed: the disk is full\n');
    expect(out).toContain('exported  ~/project/runs/demo-0001/exported\n');
    expect(out).toContain('pretrained, wemoe_2 (not finished)');
    expect(out).toContain('loss wemoe_2 4.000 █▃▁ 1.000');
    expect(out).toMatch(/^Task arithmetic +87\.5\*/m);
    const json = JSON.parse((await call(run.folder, '--json')).out) as unknown;
    expect(json).toMatchObject({
      kind: 'run',
      id: 'demo-0001',
      status: 'failed',
      report: { seed: 0 },
    });

    expect((await call(project)).out).toMatch(/^demo-0001 {2}failed, \d{4}-/);
    const listed = JSON.parse((await call(project, '--json')).out) as unknown;
    expect(listed).toMatchObject({
      kind: 'project',
      runs: [{ id: 'demo-0001', status: 'failed' }],
    });
  });

  it('says when a project is empty', async () => {
    const empty = join(folder, 'empty');
    await mkdir(empty);
    await writeFile(join(empty, 'project.json'), '{"schema":1,"application":"mergewright"}');
    expect((await call(empty)).out).toBe('The project has no runs yet.\n');
  });
});
