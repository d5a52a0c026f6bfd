/** How a program becomes a model for one provider, and what of that a benchmark can leave out to see its worth. */
import type { Program } from '../../graph/program.ts';
import type { ModelDescription } from './model.ts';
import { providerOverrides } from './overrides.ts';
import type { GpuProvider } from './providers.ts';
import { streamedConstants } from './streamed.ts';

export const onnxOptimisations = ['fused-rows', 'streamed-dictionary', 'operand-order'] as const;
export type OnnxOptimisation = (typeof onnxOptimisations)[number];

export function modelFor(
  provider: GpuProvider | 'cpu',
  program: Program,
  without: ReadonlySet<OnnxOptimisation> = new Set(),
): ModelDescription {
  const processor = provider === 'cpu';
  return {
    unfused: without.has('fused-rows'),
    ...(processor &&
      !without.has('streamed-dictionary') && { streamed: streamedConstants(program) }),
    ...(processor && without.has('operand-order')
      ? {}
      : { overrides: providerOverrides[provider] }),
  };
}
