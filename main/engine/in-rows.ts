/** Programs whose rows do not depend on each other, on a device with too little memory for all of them at once. */
import type { Program } from '../graph/program.ts';
import { AppError } from '../lib/errors.ts';
import type { Tensor, TensorMap } from '../lib/tensor.ts';
import type { Engine, Executable } from './engine.ts';

/** From a call on, fewer images share it. */
export interface SmallerBatch {
  readonly from: number;
  readonly to: number;
}

export function isOutOfMemory(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'engine.out_of_memory';
}

type Results = Readonly<Record<string, Tensor>>;

/**
 * Compiles a program of which every result has a row for each row of its batch inputs. When the engine runs out of
 * memory, the rows are divided among twice as many runs, and so are those of later calls; `onSmaller` hears of it.
 * Throws `engine.out_of_memory` where one row is too much.
 */
export async function compileInRows(
  engine: Engine,
  program: Program,
  constants: TensorMap,
  onSmaller: (change: SmallerBatch) => Promise<void> = async () => undefined,
): Promise<Executable> {
  let executable: Executable | undefined = await engine.compile(program, constants);
  let most = Infinity;
  const release = async () => {
    const old = executable;
    executable = undefined;
    await old?.dispose();
  };
  return {
    run: async (inputs) => {
      const rows = Math.max(...program.batchInputs.map((name) => inputs[name]?.shape[0] ?? 0));
      for (;;) {
        try {
          executable ??= await engine.compile(program, constants);
          const parts: Results[] = [];
          for (let start = 0; start < rows; start += most) {
            const end = Math.min(rows, start + most);
            parts.push(await executable.run(pickRows(program, inputs, start, end)));
          }
          return joined(parts);
        } catch (error) {
          const from = Math.min(most, rows);
          if (!isOutOfMemory(error) || from === 1) throw error;
          most = Math.ceil(from / 2);
          await onSmaller({ from, to: most });
          // Compiled anew: a device may keep what the failed run had allocated.
          await release();
        }
      }
    },
    dispose: release,
  };
}

function pickRows({ batchInputs }: Program, inputs: Results, start: number, end: number): Results {
  const cut = ([name, tensor]: [string, Tensor]): [string, Tensor] => {
    if (!batchInputs.includes(name)) return [name, tensor];
    const { shape, data } = tensor;
    const size = data.length / (shape[0] ?? 1);
    const rows = data.subarray(start * size, end * size);
    return [name, { shape: [end - start, ...shape.slice(1)], data: rows }];
  };
  return Object.fromEntries(Object.entries(inputs).map(cut));
}

/** Results one under another. */
function joined(parts: readonly Results[]): Results {
  const [first = {}] = parts;
  if (parts.length === 1) return first;
  return Object.fromEntries(
    Object.keys(first).map((name) => {
      const tensors = parts.flatMap((part) => part[name] ?? []);
      const rows = tensors.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
      const data = new Float32Array(tensors.reduce((sum, one) => sum + one.data.length, 0));
      let done = 0;
      for (const one of tensors) {
        data.set(one.data, done);
        done += one.data.length;
      }
      return [name, { shape: [rows, ...(tensors[0]?.shape.slice(1) ?? [])], data }];
    }),
  );
}
