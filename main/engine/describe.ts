/** Engines in words for people. */
import type { EngineDescription } from './engine.ts';

/** The library and the card, e.g. "ONNX Runtime 1.30.0, WebGPU on NVIDIA H100 (driver NVIDIA 580.65)". */
export function describeEngine({
  title,
  adapter,
}: Pick<EngineDescription, 'title' | 'adapter'>): string {
  if (adapter === undefined) return title;
  const { name, driver, software } = adapter;
  const warning = software ? ': software rendering, slower than the CPU' : '';
  return `${title} on ${name} (driver ${driver})${warning}`;
}
