import { readMergeInput, mergeOptions } from '../merge-input.ts';
import { readRunAsMerge } from '../run-as-merge.ts';
import { defineCommand } from '../command.ts';
import { renderFinding } from '../findings.ts';
import { preflight, scanOptions } from '../prepare-merge.ts';
import { renderRows } from '../rows.ts';

export const check = defineCommand({
  name: 'check',
  summary: 'Say what a merge would meet, from the headers of its models alone',
  description:
    'Takes what merge takes. Names, shapes and types of all tensors, tokenizers, memory, disk and time are checked without reading a weight; a finding that can be fixed names the --fix. Exit code 1 when the merge could not succeed.',
  example: 'mergewright check mergekit.yml --out merged',
  positionals: [
    {
      name: 'FILE|MODELS',
      summary: 'a mergekit YAML or a recipe; or the models, with --method',
      repeated: true,
    },
  ],
  options: {
    ...mergeOptions,
    ...scanOptions,
    out: { kind: 'text', value: 'DIR', summary: 'where the result would go' },
  },
  async run(values, positionals, context) {
    const input =
      (await readMergeInput(positionals, values)) ??
      (await readRunAsMerge(positionals[0] ?? '', values.method));
    const { out, threads, memory, scan, distance } = values;
    const limits = { out, threads, memory, scan, distance, overwrite: false };
    const prepared = await preflight(input, limits, context);
    await prepared.close();
    const { findings, needs, plan } = prepared;
    const counts = (['error', 'warning', 'info'] as const).map(
      (severity) => findings.filter((row) => row.severity === severity).length,
    );
    const [errors = 0, warnings = 0] = counts;
    const verdict =
      plan === undefined
        ? `This merge cannot succeed: ${errors} ${errors === 1 ? 'error' : 'errors'}.`
        : `This merge can run${warnings === 0 ? '' : `, with ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`}.`;
    const facts: [string, string][] =
      needs === undefined
        ? []
        : [
            ['method', input.recipe.method],
            ['tensors', plan === undefined ? '–' : String(plan.tensors.length)],
            ['parameters', needs.parameterCount.toLocaleString('en-US')],
            ['to read', gigabytes(needs.inputBytes)],
            ['to write', gigabytes(needs.outputBytes)],
            ...(needs.peakMemoryBytes === undefined
              ? []
              : [['memory', `at most ${gigabytes(needs.peakMemoryBytes)}`] as [string, string]]),
          ];
    return {
      text: [
        ...findings.map((row) => renderFinding(row, context.terminal)),
        ...(facts.length === 0 ? [] : [renderRows(facts)]),
        verdict,
      ].join('\n\n'),
      json: { possible: plan !== undefined, findings, needs: needs ?? null },
      negative: plan === undefined,
    };
  },
});

function gigabytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toPrecision(3)} MB` : `${(bytes / 1e9).toPrecision(3)} GB`;
}
