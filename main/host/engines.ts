/** Handlers of engines that a person installs. */
import type { InstallFinished, InstallProgress } from '../api/engines.ts';
import { tensorflowFolder, type NativeVariant } from '../engine/tfjs/installation.ts';
import { withIndexClient } from '../hub/index-client.ts';
import { AppError } from '../lib/errors.ts';
import { planTensorflow } from '../setup/plan.ts';
import { installTensorflow } from '../setup/tensorflow.ts';
import { callError } from './failures.ts';
import { implementer } from './implementer.ts';
import { streamOf, type Push } from './stream.ts';

const on = implementer.engines;

/** More updates a second than these are of no use to a reader. */
const progressMs = 100;

/** One at a time, in this process and for all its windows. */
let installing = false;

function variantOf(gpu: boolean): NativeVariant {
  return gpu ? 'gpu' : 'cpu';
}

async function install(
  variant: NativeVariant,
  signal: AbortSignal,
  push: Push<InstallProgress>,
): Promise<InstallFinished> {
  if (installing) {
    throw new AppError('engine.install_busy', {
      what: 'native TensorFlow is being installed',
      hint: 'wait for it, or cancel it; what was downloaded is kept',
    });
  }
  installing = true;
  let told = { stage: '', at: 0 };
  try {
    return await withIndexClient(async (client) => {
      const plan = await planTensorflow(client, { variant, folder: tensorflowFolder(), signal });
      const { tensorflow } = await installTensorflow(client, plan, {
        signal,
        onProgress: (progress) => {
          const now = performance.now();
          if (progress.stage === told.stage && now - told.at < progressMs) return;
          told = { stage: progress.stage, at: now };
          push({ type: 'progress', ...progress });
        },
      });
      return { type: 'finished', version: tensorflow };
    });
  } finally {
    installing = false;
  }
}

export const enginesHandlers = {
  planTensorflow: on.planTensorflow.handler(({ input, signal }) =>
    withIndexClient(async (client) => {
      const variant = variantOf(input.gpu);
      const plan = await planTensorflow(client, { variant, folder: tensorflowFolder(), signal });
      const { downloads, totalBytes, presentBytes, compiler, folder } = plan;
      return {
        hosts: [...new Set(downloads.map(({ address }) => address.host))],
        files: downloads.map(({ name, bytes }) => ({ name, bytes })),
        totalBytes,
        presentBytes,
        compiler,
        location: folder,
      };
    }),
  ),

  installTensorflow: on.installTensorflow.handler(({ input, context: { session }, signal }) =>
    streamOf<InstallProgress | InstallFinished>(
      signal,
      (error) => callError(error, session.log),
      async (push, stopped) => {
        const finished = await install(variantOf(input.gpu), stopped, push);
        session.engines.forget();
        push(finished);
      },
    ),
  ),
};
