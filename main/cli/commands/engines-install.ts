/** `mergewright engines install tensorflow` and `… remove tensorflow`. */
import { tensorflowFolder, type NativeVariant } from '../../engine/tfjs/installation.ts';
import { withIndexClient } from '../../hub/index-client.ts';
import { planTensorflow, type InstallPlan } from '../../setup/plan.ts';
import {
  installTensorflow,
  removeTensorflow,
  type InstallProgress,
} from '../../setup/tensorflow.ts';
import type { CommandContext, CommandResult } from '../command.ts';

export interface InstallChoices {
  readonly variant: NativeVariant;
  /** Tells what would be fetched, and fetches nothing. */
  readonly dryRun: boolean;
}

const stages: Record<InstallProgress['stage'], string> = {
  download: 'Downloading',
  unpack: 'Unpacking',
  build: 'Building the binding',
};

/** Says what is fetched and from where before it is. */
export async function installEngine(
  { variant, dryRun }: InstallChoices,
  { signal, progress }: CommandContext,
): Promise<CommandResult> {
  return withIndexClient(async (client) => {
    progress.start('Asking the index', 0, 'packages');
    const plan = await planTensorflow(client, { variant, folder: tensorflowFolder(), signal });
    progress.abandon();
    const index = client.settings.endpoint.host;
    const lines = describe(plan, index);
    if (dryRun) return { text: lines.join('\n'), json: planJson(plan, index) };
    for (const line of lines) progress.log(line);
    let stage: InstallProgress['stage'] | undefined;
    const installation = await installTensorflow(client, plan, {
      signal,
      onProgress: (now) => {
        if (now.stage !== stage) progress.start(stages[now.stage], megabytes(now.total), 'MB');
        stage = now.stage;
        progress.update(megabytes(now.done), now.file);
      },
    });
    progress.finish('');
    return {
      text: `native TensorFlow ${installation.tensorflow} is installed in ${plan.folder}\n"mergewright engines" measures it, "mergewright engines remove tensorflow" removes it`,
      json: { folder: plan.folder, installation },
    };
  });
}

function describe(plan: InstallPlan, index: string): string[] {
  const { downloads, totalBytes, presentBytes, folder, compiler } = plan;
  const here = presentBytes === 0 ? '' : `, ${bytes(presentBytes)} of it here already`;
  return [
    `To download: ${bytes(totalBytes)}${here}, listed by ${index}`,
    ...downloads.map(
      ({ name, bytes: size, address }) => `  ${name}, ${bytes(size)}, from ${address.host}`,
    ),
    `To build with ${compiler}: the binding of TensorFlow.js to it`,
    `To be kept in ${folder}`,
  ];
}

function planJson(
  { variant, folder, downloads, totalBytes, presentBytes }: InstallPlan,
  index: string,
): object {
  const files = downloads.map(({ name, version, address, bytes: size, sha256 }) => ({
    name,
    version,
    address: `${address.origin}${address.pathname}`,
    bytes: size,
    sha256,
  }));
  return { variant, folder, index, totalBytes, presentBytes, files };
}

/** Removes what the command above installed. */
export async function removeEngine(): Promise<CommandResult> {
  const folder = tensorflowFolder();
  const installation = await removeTensorflow(folder);
  const text =
    installation === undefined
      ? `native TensorFlow is not installed in ${folder}`
      : `native TensorFlow ${installation.tensorflow} is removed from ${folder}`;
  return { text, json: { folder, removed: installation ?? null } };
}

function megabytes(value: number): number {
  return Math.round(value / 1e6);
}

function bytes(value: number): string {
  return value >= 1e9 ? `${(value / 1e9).toFixed(2)} GB` : `${Math.max(1, megabytes(value))} MB`;
}
