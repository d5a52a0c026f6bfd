/** main/api/shell.ts, carried out: what the window may ask of the shell. */
import { implement } from '@orpc/server';
import { app, shell, type BrowserWindow } from 'electron';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { knownLinks } from '../main/api/links.ts';
import { shellContract, type Chosen } from '../main/api/shell.ts';
import { writeFileDurably } from '../main/lib/durable.ts';
import { AppError } from '../main/lib/errors.ts';
import { chooseSavePath, choosePaths } from './dialogs.ts';
import { demoProject } from './demo-project.ts';
import type { EventHub } from './event-hub.ts';
import { asFailure } from './failures.ts';
import type { Handles } from './handles.ts';
import type { Recents } from './recents.ts';

export interface ShellServices {
  readonly window: () => BrowserWindow;
  readonly handles: Handles;
  readonly recents: Recents;
  readonly events: EventHub;
  /** The folder of the open project, as the compute host told. */
  readonly openProject: () => string | undefined;
  readonly restartCompute: () => Promise<void>;
  /** Delays of the shell's and the compute host's event loops since the last call. */
  readonly measure: () => Promise<{ shellP99: number; computeP99: number; samples: number }>;
}

/** What the window gets of a path: a token, and a name to show. */
export function toChosen(handles: Handles, file: string): Chosen {
  return { handle: handles.give(file), title: path.basename(file) };
}

function unknownPlace(what: string): AppError {
  const hint = 'open the project again';
  return new AppError('file.read_failed', { what, hint });
}

async function openRecent(services: ShellServices, id: string): Promise<Chosen> {
  const recent = services.recents.find(id);
  if (recent === undefined) throw unknownPlace('this project is no longer among the recent ones');
  const stats = await stat(recent.path).catch(() => undefined);
  if (stats?.isDirectory() !== true) {
    throw new AppError('file.read_failed', {
      what: 'the project is no longer where it was',
      where: recent.path,
      hint: 'open it from its new place, or remove it from the list',
    });
  }
  return { handle: services.handles.give(recent.path), title: recent.title };
}

async function reveal(
  services: ShellServices,
  target: { place: string } | { run: string },
): Promise<void> {
  let file: string | undefined;
  if ('place' in target) file = services.handles.path(target.place);
  else {
    const project = services.openProject();
    // The contract's names hold no separator and do not begin with a dot.
    if (project !== undefined) file = path.join(project, 'runs', target.run);
  }
  if (file === undefined) throw unknownPlace('this place is not known here');
  if ((await stat(file).catch(() => undefined)) === undefined) {
    throw new AppError('file.read_failed', {
      what: 'nothing is at this place any more',
      where: file,
      hint: 'it may have been moved or deleted outside of Mergewright',
    });
  }
  shell.showItemInFolder(file);
}

/** The router that is served on the window's shell port. */
export function createShellRouter(services: ShellServices) {
  const os = implement(shellContract);
  return os.router({
    info: os.info.handler(() => ({
      version: app.getVersion(),
      electron: process.versions.electron,
      platform: process.platform,
      recents: services.recents
        .list()
        .map(({ id, title, path: location }) => ({ id, title, location })),
    })),
    events: os.events.handler(({ signal }) => services.events.listen(signal)),
    choose: os.choose.handler(async ({ input }) => {
      const paths = await asFailure(choosePaths(services.window(), input.purpose));
      return paths === null ? null : paths.map((file) => toChosen(services.handles, file));
    }),
    openRecent: os.openRecent.handler(({ input }) => asFailure(openRecent(services, input.id))),
    forgetRecent: os.forgetRecent.handler(({ input }) =>
      asFailure(services.recents.forget(input.id)),
    ),
    demoProject: os.demoProject.handler(async () =>
      toChosen(services.handles, await asFailure(demoProject())),
    ),
    reveal: os.reveal.handler(({ input }) => asFailure(reveal(services, input))),
    saveFile: os.saveFile.handler(async ({ input }) => {
      const file = await chooseSavePath(services.window(), input.suggestedName, input.kind);
      if (file === null) return { saved: false, title: '' };
      await asFailure(writeFileDurably(file, Buffer.from(input.bytes, 'base64')));
      return { saved: true, title: path.basename(file) };
    }),
    openLink: os.openLink.handler(async ({ input }) => {
      // The address that is opened is the table's own, never the one that came in.
      const known = knownLinks.find((link) => link === input.url);
      if (known !== undefined) await shell.openExternal(known);
    }),
    restartCompute: os.restartCompute.handler(() => services.restartCompute()),
    responsiveness: os.responsiveness.handler(() => services.measure()),
  });
}
