import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Draft, Finding } from '../../../main/api/merge.ts';
import { roomFindings } from '../../../main/host/plan.ts';
import { catalogue } from '../../../main/runs/catalogue.ts';
import { parseRecipe } from '../../../main/runs/recipe.ts';
import { briefMethods } from '../../support/tiny-run.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { draftWith, expectFailed, hostWithProject, startHost, watch } from './support.ts';

vi.stubEnv('XDG_CACHE_HOME', await temporaryFolder());

describe('methods and engines', () => {
  it('are those of the catalogue, with everything a form needs', async () => {
    const { client } = startHost();
    const cards = await client.merge.methods();
    expect(cards.map(({ id }) => id)).toEqual(catalogue.map(({ method }) => method.id));
    const routes = cards.filter((card) => card.routes).map(({ id }) => id);
    expect(routes).toEqual(['wemoe', 'e_wemoe', 'rank_wemoe', 'twin_merging', 'smile']);
    const { parameters } = cards.find(({ id }) => id === 'wemoe')!;
    expect(parameters['router_layers']).toMatchObject({ kind: 'integer', default: 2 });
  });

  it('are listed with reasons and, when asked, speeds', async () => {
    const { client } = await hostWithProject();
    const engines = await client.merge.engines({ measure: false });
    expect(engines.find(({ id }) => id === 'onnx')).toMatchObject({
      available: true,
      gflops: null,
    });
    for (const { available, reason } of engines) expect(reason === '').toBe(available);
    const measured = await client.merge.engines({ measure: true });
    // The reference is slow on purpose, and no card in software is measured.
    for (const { id, available, software, gflops } of measured) {
      expect(gflops !== null, id).toBe(available && !software && id !== 'reference');
    }
    expect(measured.filter(({ chosen }) => chosen)).toHaveLength(1);
  }, 60_000);
});

describe('drafts', () => {
  it('keep unseen tasks, corruptions and mixed batches of a run', async () => {
    const { client } = await hostWithProject();
    const draft = await client.merge.draft({ run: null });
    const [kind] = (await client.merge.corruptions()).map(({ id }) => id);
    const harder = {
      ...draft,
      methods: [{ id: 'simple_average', method: 'simple_average', parameters: {} }],
      unseen: ['shapes'],
      corruption: { kind: kind!, severity: 4, constants: 'by-size' as const, tasks: ['digits'] },
      mixed: { adaptation: true, evaluation: false },
    };
    const { run } = await client.merge.start(harder);
    await watch(client, run);
    expect(await client.merge.draft({ run })).toEqual(harder);
    const { findings } = await client.merge.plan({ ...harder, unseen: ['digits', 'shapes'] });
    const found = findings.find(({ failure }) => failure.code === 'merge.no_experts');
    expect(found?.fix?.draft.unseen).toEqual([]);
    const fog = { ...harder, corruption: { ...harder.corruption, kind: 'fog' } };
    const refused = (await client.merge.plan(fog)).findings[0]!;
    expect(refused.failure.what).toContain('fog');
    expect(refused.fix?.draft.corruption).toBeNull();
    // What names no task that takes part is left out of the recipe.
    const { recipe } = await client.merge.plan({
      ...harder,
      tasks: ['shapes'],
      unseen: ['digits'],
    });
    expect(recipe).not.toMatch(/corruption|unseen/);
  });

  it('come from the recipe of the project, of a run, or from nothing', async () => {
    const { client } = await hostWithProject();
    const draft = await client.merge.draft({ run: null });
    expect(draft).toMatchObject({ name: 'tiny', seed: 3, tasks: ['digits', 'shapes'] });
    expect(draft.methods.map(({ id }) => id)).toEqual(briefMethods.map(({ id }) => id));
    const { run } = await client.merge.start({
      ...draft,
      tasks: ['shapes'],
      monitor: { images: 2 },
    });
    await watch(client, run);
    const again = await client.merge.draft({ run });
    expect(again).toEqual({ ...draft, tasks: ['shapes'], monitor: { images: 2 } });

    const host = startHost();
    await host.client.project.open({ handle: host.handle(await temporaryFolder()) });
    const empty = await host.client.merge.draft({ run: null });
    expect(empty).toMatchObject({ tasks: [] });
    const { findings } = await host.client.merge.plan(empty);
    expect(findings.map(({ failure }) => failure.code)).toContain('merge.no_experts');
    await expectFailed(host.client.merge.start(empty), 'project.incomplete');
  });
});

describe('plan', () => {
  it('says what a run needs, from one batch and then from the run itself', async () => {
    const { client } = await hostWithProject();
    const draft = await draftWith(client);
    const { findings, estimate, recipe } = await client.merge.plan(draft);
    expect(findings.map(({ failure }) => failure.code)).toEqual([
      'plan.few_steps',
      'plan.few_steps',
    ]);
    expect(estimate!.basis).toContain('timed just now');
    expect(parseRecipe(recipe, 'plan').base).toBe('models/base');
    const { run } = await client.merge.start(draft);
    await watch(client, run);
    const { methods } = await client.runs.report({ run });
    const learned = Math.max(...methods.map(({ trainableParameters = 0 }) => trainableParameters));
    expect(estimate!.trainableParameters).toBe(learned);
    const after = await client.merge.plan(draft);
    expect(after.estimate!.basis).toBe('measured on earlier runs of this project');
  });

  const wrong: [string, (draft: Draft) => Draft, Finding['severity'], string][] = [
    ['no individual models', without('individual'), 'warning', 'plan.no_individual'],
    [
      'labels while adapting',
      (d) => ({ ...d, monitor: { images: 5 } }),
      'note',
      'plan.labels_read',
    ],
    [
      'an id twice',
      (d) => ({ ...d, methods: [...d.methods, d.methods[0]!] }),
      'error',
      'recipe.invalid',
    ],
    [
      'a parameter out of its range',
      withParameter('lambda', 70),
      'error',
      'recipe.invalid_parameter',
    ],
    [
      'surgery on a merge that is gone',
      (d) => ({
        ...d,
        methods: [...d.methods, { id: 'surgery', method: 'surgery', parameters: { of: 'gone' } }],
      }),
      'error',
      'recipe.invalid_parameter',
    ],
    [
      'surgery on nothing',
      (d) => ({ ...d, methods: [{ id: 'surgery', method: 'surgery', parameters: {} }] }),
      'error',
      'recipe.invalid_parameter',
    ],
    ['an unknown parameter', withParameter('speed', 7), 'error', 'recipe.unknown_parameter'],
    [
      'an unknown method',
      (d) => ({ ...d, methods: [...d.methods, { id: 'x', method: 'x', parameters: {} }] }),
      'error',
      'recipe.unknown_method',
    ],
    [
      'a task that is gone',
      (d) => ({ ...d, tasks: [...d.tasks, 'gone'] }),
      'error',
      'project.no_task',
    ],
    [
      'an engine that cannot run',
      (d) => ({ ...d, engine: { id: 'tfjs' } }),
      'error',
      'engine.unavailable',
    ],
  ];

  it.each(wrong)('finds %s, and its fix removes it', async (name, change, severity, code) => {
    const { client } = await hostWithProject();
    const engines = await client.merge.engines({ measure: false });
    const has = engines.some(({ id, available }) => id.startsWith('tfjs') && available);
    if (code === 'engine.unavailable' && has) return; // It can, here.
    const plan = await client.merge.plan(change(await draftWith(client)));
    const found = plan.findings.find(({ failure }) => failure.code === code);
    expect(found?.severity, name).toBe(severity);
    expect(plan.estimate === null).toBe(severity === 'error');
    const fixed = await client.merge.plan(found!.fix!.draft);
    expect(fixed.findings.filter(({ failure }) => failure.code === code)).toEqual([]);
    if (severity !== 'error') return;
    const start = client.merge.start(change(await draftWith(client)));
    expect((await expectFailed(start, found!.failure.code)).what).toBe(found!.failure.what);
    expect(await client.runs.list()).toEqual([]);
  });

  it('finds materials that are missing or unreadable before anything is computed', async () => {
    const { client, folder } = await hostWithProject();
    await rm(join(folder, 'models/digits/model.safetensors'));
    await rm(join(folder, 'heads/shapes.safetensors'));
    const { findings, estimate } = await client.merge.plan(await draftWith(client));
    expect(estimate).toBeNull();
    const errors = findings.filter(({ severity }) => severity === 'error');
    expect(errors.map(({ failure }) => failure.code)).toEqual([
      'checkpoint.no_weights',
      'checkpoint.not_found',
    ]);
    expect(errors.map(({ fix }) => fix?.title)).toEqual(['Leave out digits', 'Leave out shapes']);
  });

  it('warns of too little memory and refuses too little disk', async () => {
    const { client, folder } = await hostWithProject();
    const draft = await draftWith(client);
    const room = { memoryBytes: 2e9, freeMemoryBytes: 1e9, diskBytes: 1e18 };
    const [disk, memory] = await roomFindings(draft, room, folder);
    expect(disk).toMatchObject({ severity: 'error', failure: { code: 'file.disk_full' } });
    expect(memory).toMatchObject({ severity: 'warning', failure: { code: 'plan.low_memory' } });
    expect(memory!.fix!.draft.adaptation.batch).toBe(2);
    expect(
      await roomFindings(draft, { ...room, freeMemoryBytes: 3e9, diskBytes: 0 }, folder),
    ).toEqual([]);
  });

  it('asks for a base, heads and images where none are chosen', async () => {
    const { folder } = await hostWithProject();
    const { client: other, handle: grant } = startHost();
    await other.project.open({ handle: grant(await temporaryFolder()) });
    await other.project.addExperts({ handles: [grant(join(folder, 'models/base'))] });
    const draft = await other.merge.draft({ run: null });
    const plan = await other.merge.plan(draft);
    const codes = plan.findings.flatMap(({ severity, failure }) =>
      severity === 'error' ? [failure.code] : [],
    );
    expect(new Set(codes)).toEqual(new Set(['project.incomplete']));
    expect(plan.recipe).toBe('');
    await expectFailed(other.merge.start(draft), 'project.incomplete');
  });
});

function without(method: string): (draft: Draft) => Draft {
  return (draft) => ({
    ...draft,
    methods: draft.methods.filter((entry) => entry.method !== method),
  });
}

function withParameter(name: string, value: number): (draft: Draft) => Draft {
  const entry = { id: 'ta', method: 'task_arithmetic', parameters: { [name]: value } };
  return (draft) => ({ ...draft, methods: [...draft.methods, entry] });
}
