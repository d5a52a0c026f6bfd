/** Engines in words for people. */
import type { EngineDescription } from './engine.ts';

type Described = Pick<EngineDescription, 'title' | 'adapter'>;

/** The library and the card, e.g. "ONNX Runtime 1.30.0, WebGPU on NVIDIA H100 (driver NVIDIA 580.65)". */
export function nameEngine({ title, adapter }: Described): string {
  return adapter === undefined ? title : `${title} on ${adapter.name} (driver ${adapter.driver})`;
}

/** As `nameEngine`, and that a program plays the card. */
export function describeEngine(engine: Described): string {
  const warning = engine.adapter?.software ? ': software rendering, slower than the CPU' : '';
  return `${nameEngine(engine)}${warning}`;
}
