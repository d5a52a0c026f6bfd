/**
 * ONNX Runtime's WebGPU on SwiftShader against the reference, in a process of its own, as the driver is chosen by the
 * environment. SwiftShader is slow, so a share of the cases is run here. All of them, on every engine that the machine
 * has, by `MERGEWRIGHT_CONFORMANCE=all npx vitest run test/unit/engine/conformance.test.ts`, which says how far each
 * is off; on the machine's own card by MERGEWRIGHT_CONFORMANCE_ENGINE=onnx-webgpu, onnx-cuda, ….
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { swiftShaderFolder, vulkanEnvironment } from '../../support/software-vulkan.ts';
import {
  attemptEngine,
  engineListingIds,
  type EngineListingId,
} from '../../../main/engine/registry.ts';
import type { Comparison } from './conformance-program.ts';
import { opNames } from './op-program.ts';

const { MERGEWRIGHT_CONFORMANCE: extent = 'few', MERGEWRIGHT_CONFORMANCE_ENGINE: own } =
  process.env;
const program = fileURLToPath(new URL('conformance-program.ts', import.meta.url));

function compare(engine: string, env: Readonly<Record<string, string>>): Promise<Comparison[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', program, engine, extent], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code !== 0)
        reject(new Error(`ended with ${String(code)}\n${stderr}${stdout.slice(-500)}`));
      else {
        const lines = stdout.trim().split('\n');
        resolve(lines.map((line) => JSON.parse(line) as Comparison));
      }
    });
  });
}

function engines(): readonly EngineListingId[] {
  if (own !== undefined) return engineListingIds.filter((id) => id === own);
  if (extent !== 'all') return ['onnx-webgpu'];
  return engineListingIds.filter((id) => id !== 'reference');
}

describe.each(engines())('%s', (id) => {
  it('computes what the reference does', async ({ skip }) => {
    const onSwiftShader = id === 'onnx-webgpu' && own === undefined;
    const folder = swiftShaderFolder();
    if (onSwiftShader && folder === undefined) {
      skip('no Electron runtime with SwiftShader is in .cache/electron (Linux only)');
    }
    if (extent === 'all' && !onSwiftShader) {
      const attempt = await attemptEngine(id, {});
      if ('reason' in attempt) skip(attempt.reason);
    }
    const start = performance.now();
    const env = onSwiftShader && folder !== undefined ? vulkanEnvironment(folder) : {};
    const found = await compare(id, env);
    for (const { title, worst, allowed } of found) {
      expect(worst ?? Infinity, title).toBeLessThanOrEqual(allowed);
    }
    const titles = found.map(({ title }) => title);
    if (onSwiftShader) {
      expect(titles).toContain('too little memory is told as engine.out_of_memory');
    }
    for (const op of opNames) {
      expect(titles).toContainEqual(expect.stringMatching(`^${op} `) as string);
    }
    expect(titles.filter((title) => /network|step|trajectory/.test(title)).length).toBeGreaterThan(
      2,
    );
    if (extent === 'all') {
      const worst = Math.max(...found.map((one) => one.worst ?? Infinity));
      const seconds = (performance.now() - start) / 1000;
      process.stdout.write(
        `${id}: ${String(found.length)} comparisons, at most ${worst.toExponential(1)} off, ${seconds.toFixed(0)} s\n`,
      );
    }
  }, 1_200_000);
});
