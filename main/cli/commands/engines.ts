import { usualShape } from '../../engine/calibration-step.ts';
import { modelBlockShape } from '../../runs/run-engine.ts';
import { defineCommand, type CommandContext, type CommandResult } from '../command.ts';
import { UsageError } from '../failure.ts';
import { benchSteps, listWithSpeed } from './engines-list.ts';
import { installEngine, removeEngine, type InstallChoices } from './engines-install.ts';

export const engines = defineCommand({
  name: 'engines',
  summary: 'List the engines, what they run on and how fast they are here; install TensorFlow',
  description:
    'Speed is that of a matrix product in fp32, measured now. An engine that cannot run on this machine is listed with the reason. ' +
    'install tensorflow fetches TensorFlow’s libraries from the index of Python packages (PIP_INDEX_URL, or as pip is set up; Python is not needed) and builds the binding to them with the C++ compiler of this machine; it says first what it fetches, from where and how large it is. ' +
    'remove tensorflow takes all of it away again. Both leave it to MERGEWRIGHT_ENGINES where engines are kept.',
  example: 'mergewright engines install tensorflow',
  positionals: [
    { name: 'ACTION', summary: 'install or remove; without it, the list', optional: true },
    { name: 'ENGINE', summary: 'tensorflow', optional: true },
  ],
  options: {
    gpu: { kind: 'flag', summary: 'install the build for CUDA, with NVIDIA’s libraries' },
    'dry-run': { kind: 'flag', summary: 'tell what install would fetch, and fetch nothing' },
    bench: {
      kind: 'flag',
      summary: 'measure a block of an adaptation step instead, which decides what auto chooses',
    },
    model: {
      kind: 'text',
      value: 'DIR',
      summary: 'with --bench, the model whose sizes count; default: those of CLIP ViT-B/32',
    },
    threads: {
      kind: 'integer',
      value: 'N',
      min: 1,
      max: 1024,
      summary: 'threads of one operation, where an engine lets them be chosen',
    },
  },
  async run({ threads, bench, model, gpu, 'dry-run': dryRun }, [action, engine], context) {
    if (action !== undefined) {
      return changeEngine(action, engine, { variant: gpu ? 'gpu' : 'cpu', dryRun }, context);
    }
    const options = threads === undefined ? {} : { threads };
    if (model !== undefined && !bench) throw new UsageError('--model needs --bench', 'engines');
    if (!bench) return listWithSpeed(options, context);
    return benchSteps(
      model === undefined ? usualShape : await modelBlockShape(model, usualShape.images),
      options,
      context,
    );
  },
});

async function changeEngine(
  action: string,
  engine: string | undefined,
  choices: InstallChoices,
  context: CommandContext,
): Promise<CommandResult> {
  if (action !== 'install' && action !== 'remove') {
    throw new UsageError(`engines has install and remove, but no "${action}"`, 'engines');
  }
  if (engine !== 'tensorflow') {
    throw new UsageError(`engines ${action} needs the name "tensorflow"`, 'engines');
  }
  return action === 'install' ? installEngine(choices, context) : removeEngine();
}
