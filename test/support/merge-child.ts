/** Merges in a process of its own, as `request` on the command line says; prints a line of JSON at the end. */
import { openCheckpoint } from '../../main/checkpoints/open.ts';
import type { OutputDType } from '../../main/checkpoints/writer.ts';
import type { GivenParameters } from '../../main/lib/parameters.ts';
import { mergeToMemory } from '../../main/merging/executor.ts';
import { executePlan, type ExecuteOptions } from '../../main/merging/streaming/execute-plan.ts';
import { methodNamed, planOf } from '../unit/merging/streaming/plans.ts';

export interface MergeRequest {
  /** The first is the base. */
  readonly models: readonly string[];
  /** Also merges the first one. */
  readonly baseIsExpert?: boolean;
  readonly method: string;
  readonly parameters?: GivenParameters;
  readonly dtype: OutputDType;
  /** Merged into memory, as runs do it, if not given. */
  readonly target?: string;
  readonly options: Omit<ExecuteOptions, 'signal' | 'onProgress'>;
}

const request = JSON.parse(process.argv[2] ?? '') as MergeRequest;
const [base = '', ...experts] = request.models;
const paths = request.baseIsExpert === true ? [base, base, ...experts] : request.models;
const models = await Promise.all(paths.map((path) => openCheckpoint(path)));
const method = methodNamed(request.method);
const { target, parameters = {} } = request;
if (target === undefined) {
  const [own, ...others] = models;
  const chosen = others.slice(0, method.inputs.experts.max);
  await mergeToMemory({ method, parameters, seed: 7, base: own!, experts: chosen });
} else {
  const plan = planOf(models, method, parameters, request.dtype);
  const { seconds, budget, resumed } = await executePlan(plan, target, {
    ...request.options,
    onProgress: () => process.stderr.write('.'),
  });
  console.log(JSON.stringify({ seconds, budget, resumed }));
}
