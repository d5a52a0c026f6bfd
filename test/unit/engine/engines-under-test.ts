import type { Engine } from '../../../main/engine/engine.ts';
import { listEngines, openEngine, type EngineListingId } from '../../../main/engine/registry.ts';
import type { Program } from '../../../main/graph/program.ts';
import type { Tensor, TensorMap } from '../../../main/lib/tensor.ts';

export interface EngineUnderTest {
  readonly id: EngineListingId;
  readonly engine: Engine;
}

/** Every engine of this machine that is held against the reference. */
export async function enginesUnderTest(): Promise<readonly EngineUnderTest[]> {
  const engines: EngineUnderTest[] = [];
  for (const { id, available } of await listEngines()) {
    if (available && id !== 'reference') engines.push({ id, engine: await openEngine(id) });
  }
  return engines;
}

/** Compiles, runs once, disposes. */
export async function runOnce(
  engine: Engine,
  program: Program,
  inputs: Readonly<Record<string, Tensor>>,
  constants: TensorMap = new Map(),
): Promise<Readonly<Record<string, Tensor>>> {
  const executable = await engine.compile(program, constants);
  try {
    return await executable.run(inputs);
  } finally {
    await executable.dispose();
  }
}
