/** Whether a card widens fp16 in its shaders: WebGPU has that as a feature (shader-f16) which not every device offers. */
import { Builder } from '../../graph/builder.ts';
import type { HalfTensor } from '../../lib/tensor.ts';
import type { Engine } from '../engine.ts';

/** 1.5, and the largest fp16. */
const values = { half: [0x3e00, 0x7bff], data: [1.5, 65504] };

/** Throws an Error in words where `engine` cannot store weights in fp16. */
export async function requireHalves(engine: Engine): Promise<void> {
  const b = new Builder();
  const sum = b.add(b.input('zeros', [2]), b.constant('halves', [2]));
  const halves: HalfTensor = {
    shape: [2],
    half: Uint16Array.from(values.half),
    data: Float32Array.from(values.data),
  };
  let found: Float32Array | undefined;
  try {
    const program = b.build('halves', { sum });
    const executable = await engine.compile(program, new Map([['halves', halves]]));
    const results = await executable.run({ zeros: { shape: [2], data: new Float32Array(2) } });
    found = results['sum']?.data;
    await executable.dispose();
  } catch (cause) {
    const [line = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
    throw new Error(`its device has no fp16 to store weights in (${line})`, { cause });
  }
  const [one, largest] = found ?? [];
  if (one !== 1.5 || largest !== 65504) {
    throw new Error('its device gives other numbers than those stored in fp16');
  }
}
