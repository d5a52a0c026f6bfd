/**
 * ONNX Runtime's WebGPU on SwiftShader against the reference, in a process of its own, as the driver is chosen by the
 * environment. SwiftShader is slow, so a share of the cases is run here; all of them by
 * `MERGEWRIGHT_CONFORMANCE=all npx vitest run --project fast test/unit/engine/conformance.test.ts`, and on the
 * machine's own card by MERGEWRIGHT_CONFORMANCE_ENGINE=onnx-webgpu, onnx-cuda, ….
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { swiftShaderFolder, vulkanEnvironment } from '../../support/software-vulkan.ts';
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

it('onnx-webgpu computes what the reference does', async ({ skip }) => {
  const folder = swiftShaderFolder();
  if (own === undefined && folder === undefined) {
    skip('no Electron runtime with SwiftShader is in .cache/electron (Linux only)');
  }
  const env = own === undefined && folder !== undefined ? vulkanEnvironment(folder) : {};
  const found = await compare(own ?? 'onnx-webgpu', env);
  for (const { title, worst, allowed } of found) {
    expect(worst ?? Infinity, title).toBeLessThanOrEqual(allowed);
  }
  const titles = found.map(({ title }) => title);
  if (own === undefined) {
    expect(titles).toContain('too little memory is told as engine.out_of_memory');
    // SwiftShader's device lacks the feature shader-f16; a card that has it computes with such weights.
    expect(titles).toContainEqual(
      expect.stringMatching(/^weights in fp16 are refused: .* no fp16/) as string,
    );
  }
  for (const op of opNames) {
    expect(titles).toContainEqual(expect.stringMatching(`^${op} `) as string);
  }
  expect(titles.filter((title) => /network|step|trajectory/.test(title)).length).toBeGreaterThan(2);
}, 1_200_000);
