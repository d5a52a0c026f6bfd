import { createEngine } from '../../engine/choice.ts';
import { exportRun, type RunExport } from '../../runs/export-run.ts';
import { loadInputs } from '../../runs/inputs.ts';
import { loadFinishedRun } from '../../runs/job.ts';
import { openRun } from '../../runs/run-folder.ts';
import { defineCommand } from '../command.ts';

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'Write a merged model of a finished run as files for elsewhere',
  description:
    'dynamic keeps the routers, so every image gets its own mix of experts; static averages them into one ordinary encoder, smaller and less accurate. What was written is read back and compared before it appears.',
  example: 'mergewright export runs/demo/runs/demo-0001 --format onnx --mode dynamic --out merged',
  positionals: [{ name: 'RUN', summary: 'folder of a finished run' }],
  options: {
    format: {
      kind: 'text',
      value: 'FORMAT',
      choices: ['safetensors', 'onnx'],
      required: true,
      summary: 'safetensors (Hugging Face layout) or onnx (one file)',
    },
    mode: {
      kind: 'text',
      value: 'MODE',
      choices: ['dynamic', 'static'],
      summary: 'dynamic (default) or static',
    },
    method: { kind: 'text', value: 'ID', summary: 'method of the run; default: the best merge' },
    out: { kind: 'text', value: 'DIR', required: true, summary: 'folder to make' },
  },
  async run({ format, mode = 'dynamic', method, out }, [path = ''], { signal, progress }) {
    const run = await openRun(path);
    const engine = await createEngine('onnx');
    const finished = await loadFinishedRun(run, engine, (recipe) =>
      loadInputs(recipe, undefined, signal),
    );
    try {
      progress.start('Exporting', 3, 'stages');
      let stage = 0;
      const exported = await exportRun(finished, {
        method,
        formats: [format],
        mode,
        target: out,
        signal,
        onStage: (_, name) => {
          progress.update(++stage, name);
        },
      });
      return { json: toJson(exported), text: toText(exported) };
    } finally {
      await finished.inputs.close();
    }
  },
});

function toJson({ method, mode, accuracy, results }: RunExport) {
  return { method, mode, accuracy, average: average(accuracy), exports: results };
}

function toText({ method, mode, accuracy, results }: RunExport): string {
  return results
    .flatMap(({ path, files, verification }) => [
      `Exported ${method}, ${mode}, to ${path}`,
      `Accuracy ${(100 * average(accuracy)).toFixed(1)} % on average, measured on the test images`,
      ...files.map(({ name, bytes }) => `  ${megabytes(bytes).padStart(9)}  ${name}`),
      ...verification.map(({ what, difference }) =>
        difference === undefined
          ? `Verified: ${what}`
          : `Verified: ${what} (largest difference ${difference.toExponential(1)})`,
      ),
    ])
    .join('\n');
}

function average(accuracy: Readonly<Record<string, number>>): number {
  const values = Object.values(accuracy);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
