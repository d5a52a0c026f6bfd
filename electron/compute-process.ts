/** The compute process as Electron runs it: a utility process with few rights and a bounded heap. */
import { app, utilityProcess, type MessagePortMain } from 'electron';
import { mkdirSync } from 'node:fs';
import type { ComputeChild } from './compute-supervisor.ts';
import { places } from './places.ts';

const serviceName = 'Mergewright compute';

/** V8's own limit under Electron is 4 GiB; weights live outside of this heap. */
const HEAP_MB = 3_584;

/** What engines, their installation and downloads read; nothing else of the user's environment is handed on. */
const environment =
  /^(PATH|HOME|USERPROFILE|LANG|LC_ALL|TZ|TMPDIR|TEMP|TMP|SystemRoot|APPDATA|LOCALAPPDATA|LD_LIBRARY_PATH|CUDA_\w+|NVIDIA_\w+|VK_ICD_FILENAMES|VK_DRIVER_FILES|XDG_DATA_DIRS|OMP_NUM_THREADS|MERGEWRIGHT_\w+|XDG_(CACHE|CONFIG|DATA)_HOME|PIP_(INDEX_URL|CONFIG_FILE)|CXX|HF_(HOME|HUB_CACHE|HUB_OFFLINE|ENDPOINT|TOKEN|TOKEN_PATH)|HUGGINGFACE_HUB_CACHE|TRANSFORMERS_OFFLINE|((HTTPS?|ALL|NO)_PROXY)|((https?|all|no)_proxy)|NODE_EXTRA_CA_CERTS)$/;

/** Words for https://www.electronjs.org/docs/latest/api/app#event-child-process-gone. */
const reasons: Readonly<Record<string, string>> = {
  crashed: 'The compute process crashed.',
  killed:
    'The compute process was ended from outside, perhaps because the machine ran out of memory.',
  oom: 'The compute process ran out of memory.',
  'memory-eviction': 'The system ended the compute process to get memory back.',
  'launch-failed': 'The compute process could not be started.',
  'integrity-failure': 'The system refused the compute process: its files are not as installed.',
  'abnormal-exit': 'The compute process ended with an error.',
  'clean-exit': 'The compute process ended by itself.',
};

/** Details arrive beside the exit, in either order. */
const DETAILS_WAIT_MS = 100;

export function computeEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] => environment.test(entry[0]) && entry[1] !== undefined,
  );
  return Object.fromEntries(kept);
}

/** Starts a compute process in a folder of its own. */
export function startComputeProcess(): ComputeChild {
  const folder = places.userData('compute');
  mkdirSync(folder, { recursive: true });
  const process_ = utilityProcess.fork(places.computeHost, [], {
    serviceName,
    cwd: folder,
    env: computeEnvironment(),
    execArgv: [`--max-old-space-size=${HEAP_MB}`],
    stdio: 'inherit',
  });
  let detail: string | undefined;
  const onGone = (_event: unknown, details: Electron.Details): void => {
    if (details.name === serviceName || details.serviceName === serviceName) {
      detail = reasons[details.reason] ?? `The compute process is gone (${details.reason}).`;
    }
  };
  app.on('child-process-gone', onGone);
  process_.on('error', (type, location) => {
    detail = `The compute process met a fatal error (${type} in ${location}).`;
  });
  return {
    get pid() {
      return process_.pid;
    },
    send: (message, ports: readonly MessagePortMain[]) => {
      process_.postMessage(message, [...ports]);
    },
    terminate: () => {
      process_.kill();
    },
    onMessage: (listener) => {
      process_.on('message', listener);
    },
    onExit: (listener) => {
      process_.once('exit', (code) => {
        setTimeout(() => {
          app.off('child-process-gone', onGone);
          const fallback = code === 0 ? 'clean-exit' : 'abnormal-exit';
          listener(detail ?? reasons[fallback]!);
        }, DETAILS_WAIT_MS);
      });
    },
  };
}
