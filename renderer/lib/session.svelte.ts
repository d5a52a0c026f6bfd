/** The course of a session: what the shell tells, and which project is opened at the start. */
import type { Chosen, ShellEvent } from '../../main/api/shell.ts';
import { runCommand } from './commands.svelte.ts';
import { computeProcess } from './compute.svelte.ts';
import { onComputeConnection, shell } from './connection.ts';
import { project } from './project.svelte.ts';
import { runs } from './runs.svelte.ts';
import { toasts } from './toasts.svelte.ts';

export interface Recent {
  readonly id: string;
  readonly title: string;
  readonly location: string;
}

/** A new compute process opens the project while it connects already. */
const reopenAttempts = 20;
const reopenPauseMs = 250;

let version = $state('');
let recents = $state.raw<readonly Recent[]>([]);
let firstStart = $state(false);
let dropped = $state.raw<readonly Chosen[]>([]);
/** A project that the shell asked for; it goes before what the start would open. */
let asked = false;

export const session = {
  get version(): string {
    return version;
  },
  get recents(): readonly Recent[] {
    return recents;
  },
  /** No project had been opened before: the window welcomes. */
  get firstStart(): boolean {
    return firstStart;
  },
  /** What was dropped on the window last and has not been taken yet. */
  get dropped(): readonly Chosen[] {
    return dropped;
  },

  endWelcome(): void {
    firstStart = false;
  },

  takeDropped(): readonly Chosen[] {
    const items = dropped;
    dropped = [];
    return items;
  },

  /** Opens a project and reads its runs. */
  async open(chosen: { readonly handle: string; readonly title: string }): Promise<void> {
    if (!(await project.open(chosen))) return;
    runs.reset();
    await Promise.all([runs.refresh(), readInfo()]);
  },

  async openRecent(id: string): Promise<void> {
    try {
      await session.open(await shell.openRecent({ id }));
    } catch (error) {
      toasts.error(error);
    }
  },

  /** Asks for a folder; `new-project` makes one. */
  async chooseProject(purpose: 'project' | 'new-project'): Promise<void> {
    try {
      const chosen = await shell.choose({ purpose });
      if (chosen?.[0] !== undefined) await session.open(chosen[0]);
    } catch (error) {
      toasts.error(error);
    }
  },

  async openDemo(): Promise<void> {
    try {
      await session.open(await shell.demoProject());
    } catch (error) {
      if (project.overview === undefined) project.fail(error);
      else toasts.error(error);
    }
  },

  start,
};

async function readInfo(): Promise<void> {
  try {
    const info = await shell.info();
    version = info.version;
    recents = info.recents;
  } catch (error) {
    toasts.error(error);
  }
}

function handle(event: ShellEvent): void {
  switch (event.type) {
    case 'menu':
      runCommand(event.command);
      break;
    case 'dropped':
      if (project.overview === undefined) {
        toasts.show({
          kind: 'note',
          text: 'Open or make a project first; then drop its checkpoints.',
        });
      } else {
        dropped = event.items;
      }
      break;
    case 'project':
      asked = true;
      void session.open(event.project);
      break;
    case 'compute':
      computeProcess.report(event.state, event.reason, event.restarting);
      if (event.state === 'gone') runs.interrupt();
      break;
  }
}

async function listen(): Promise<void> {
  try {
    for await (const event of await shell.events()) handle(event);
  } catch (error) {
    toasts.error(error);
  }
}

/** The compute process is another one; what its predecessor had open, it opens again by itself. */
async function reconnect(): Promise<void> {
  computeProcess.report('ready', null, false);
  if (project.phase === 'none') return;
  try {
    for (let attempt = 0; attempt < reopenAttempts; attempt++) {
      if (await project.refresh()) {
        await runs.reconnect();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, reopenPauseMs));
    }
    // The process was lost before it had opened anything.
    if (project.overview === undefined) await openFirst();
  } catch (error) {
    toasts.error(error);
  }
}

/** The project of the last session, or the demo; unless one was asked for. */
async function openFirst(): Promise<void> {
  try {
    // After a reload of the window, the compute process still has its project.
    if (await project.refresh()) {
      await Promise.all([runs.refresh(), readInfo()]);
      return;
    }
    await readInfo();
    if (asked) return;
    const last = recents[0];
    if (last === undefined) {
      firstStart = true;
      await session.openDemo();
    } else {
      await session.open(await shell.openRecent({ id: last.id }));
    }
    if (project.overview === undefined && project.phase === 'starting') project.none();
  } catch (error) {
    // The last project may have been moved: that is no reason not to start.
    toasts.error(error);
    project.none();
  }
}

function start(): void {
  let first = true;
  onComputeConnection((connected) => {
    if (connected && !first) void reconnect();
    if (connected) first = false;
  });
  void listen();
  void openFirst();
}
