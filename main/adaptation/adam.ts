/** Adam (Kingma & Ba 2015), in place on fp32 arrays with float64 arithmetic. */
export interface AdamState {
  /** First and second moments by parameter name. */
  readonly first: Map<string, Float32Array>;
  readonly second: Map<string, Float32Array>;
}

const decay1 = 0.9;
const decay2 = 0.999;
const epsilon = 1e-8;

export function createAdam(sizes: ReadonlyMap<string, number>): AdamState {
  const empty = () => new Map([...sizes].map(([name, size]) => [name, new Float32Array(size)]));
  return { first: empty(), second: empty() };
}

/** Applies update number `step` (from 1) to one parameter. */
export function adamUpdate(
  state: AdamState,
  name: string,
  parameter: Float32Array,
  gradient: Float32Array,
  { step, learningRate }: { step: number; learningRate: number },
): void {
  const first = state.first.get(name);
  const second = state.second.get(name);
  if (first === undefined || second === undefined) throw new Error(`no moments for "${name}"`);
  const correction1 = 1 - decay1 ** step;
  const correction2 = 1 - decay2 ** step;
  for (let i = 0; i < parameter.length; i++) {
    const slope = gradient[i] ?? 0;
    const m = (first[i] = decay1 * (first[i] ?? 0) + (1 - decay1) * slope);
    const v = (second[i] = decay2 * (second[i] ?? 0) + (1 - decay2) * slope * slope);
    const change = m / correction1 / (Math.sqrt(v / correction2) + epsilon);
    parameter[i] = (parameter[i] ?? 0) - learningRate * change;
  }
}
