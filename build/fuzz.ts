/**
 * The long run of the fuzzer: `npx tsx build/fuzz.ts [INPUTS [SEED]]`, 200,000 inputs over all readers unless told
 * otherwise. Ends with an error at the first input that breaks a reader, is accepted wrongly or takes seconds.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fuzz } from '../test/fuzz/coverage-fuzzer.ts';
import { fuzzTargets } from '../test/fuzz/targets.ts';

const SLOWEST_MS = 3_000;
const [inputs = '200000', seed = '1'] = process.argv.slice(2);

const folder = await mkdtemp(join(tmpdir(), 'mergewright-fuzz-'));
const targets = fuzzTargets(folder);
let total = 0;
for (const target of targets) {
  const result = await fuzz(target, Math.ceil(Number(inputs) * target.share), Number(seed));
  total += result.runs;
  console.log(JSON.stringify(result));
  if (result.slowestMs > SLOWEST_MS) throw new Error(`${target.name}: an input takes seconds`);
}
await rm(folder, { recursive: true });
console.log(`${total} inputs: no crash, no hang, nothing accepted wrongly`);
