/** Sums of the changes of all experts, which the scores of PCB-Merging depend on, as vector code. */
import type { EstimateLayout } from './score-estimate.ts';
import {
  add,
  addI32,
  below,
  block,
  branch,
  branchIf,
  compile,
  demote,
  get,
  i32,
  load,
  Locals,
  loop,
  notBelow,
  promoteHigh,
  promoteLow,
  set,
  store,
  subtract,
  zeros,
  type Code,
  type Memory,
  type Signature,
} from '../../lib/wasm.ts';

type Sum = (bytes: number, experts: number) => void;

/** Writes Σ τj, in the order of the experts. */
export function assembleSums(memory: Memory, layout: Omit<EstimateLayout, 'constants'>): Sum {
  const signature: Signature = { parameters: ['i32', 'i32'] };
  const [bytes, experts] = [0, 1] as const;
  const locals = new Locals(signature);
  const [at, expert, address] = locals.take('i32', 3) as [number, number, number];
  const vectors = locals.take('v128', 5) as [number, number, number, number, number];
  const [four, baseLow, baseHigh, low, high] = vectors;
  const addTo = (sum: number, value: Code, base: number): Code =>
    set(sum, add(get(sum), subtract(value, get(base))));
  const body: Code = block(
    loop(
      branchIf(1, notBelow(get(at), get(bytes))),
      set(four, load(get(at), layout.base)),
      set(baseLow, promoteLow(get(four))),
      set(baseHigh, promoteHigh(four)),
      set(low, zeros),
      set(high, zeros),
      set(expert, i32(0)),
      set(address, get(at)),
      loop(
        set(four, load(get(address), layout.experts)),
        addTo(low, promoteLow(get(four)), baseLow),
        addTo(high, promoteHigh(four), baseHigh),
        set(address, addI32(get(address), i32(layout.plane))),
        set(expert, addI32(get(expert), i32(1))),
        branchIf(0, below(get(expert), get(experts))),
      ),
      store(addI32(get(at), get(at)), get(low), layout.sums),
      store(addI32(get(at), get(at)), get(high), layout.sums + 16),
      store(get(at), demote(get(low), get(high)), layout.roundedSums),
      set(at, addI32(get(at), i32(16))),
      branch(0),
    ),
  );
  return compile(memory, signature, locals, body);
}
