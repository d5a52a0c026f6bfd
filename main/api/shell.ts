/** What the shell (Electron's main process) does for the window: dialogs, menus, recents, the compute process. */
import { eventIterator } from '@orpc/contract';
import { z } from 'zod';
import { call, count, handle, name } from './common.ts';
import { windowEntries, type MenuCommand } from './menu.ts';

const chosen = z.strictObject({ handle, title: z.string() });
export type Chosen = z.output<typeof chosen>;

const menuCommands = Object.keys(windowEntries) as [MenuCommand, ...MenuCommand[]];

const event = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('menu'), command: z.enum(menuCommands) }),
  /** Files or folders dropped on the window. */
  z.strictObject({ type: z.literal('dropped'), items: z.array(chosen) }),
  /** A project to open: from a dialog, the recents, a file association or a second start. */
  z.strictObject({ type: z.literal('project'), project: chosen }),
  /**
   * The compute process; `ready` follows the arrival of its port. `reason` says in words why it is gone,
   * and `restarting` whether a new one is on its way.
   */
  z.strictObject({
    type: z.literal('compute'),
    state: z.enum(['starting', 'ready', 'gone']),
    reason: z.string().nullable(),
    restarting: z.boolean(),
  }),
]);
export type ShellEvent = z.output<typeof event>;

/** What a dialog is for decides its title, button and filters. */
export const choosing = z.enum([
  'project',
  'new-project',
  'base',
  'experts',
  'head',
  'data',
  'data-file',
  'export',
  'models',
  'model-files',
  'merge-file',
  'merged',
  'adapters',
  'tuned',
  'adapter',
]);

export const shellContract = {
  info: call.output(
    z.strictObject({
      version: z.string(),
      electron: z.string(),
      platform: z.string(),
      recents: z.array(z.strictObject({ id: handle, title: z.string(), location: z.string() })),
    }),
  ),
  events: call.output(eventIterator(event)),
  /** Null when the dialog was cancelled. */
  choose: call.input(z.strictObject({ purpose: choosing })).output(z.array(chosen).nullable()),
  openRecent: call.input(z.strictObject({ id: handle })).output(chosen),
  forgetRecent: call.input(z.strictObject({ id: handle })).output(z.void()),
  /** The bundled benchmark as a project of the user's, made on the first call. */
  demoProject: call.output(chosen),
  /** Shows a place the compute host named, or a run of the open project, in the file manager. */
  reveal: call
    .input(z.union([z.strictObject({ place: handle }), z.strictObject({ run: name })]))
    .output(z.void()),
  /** Asks where to save; false when that was cancelled. */
  saveFile: call
    .input(
      z.strictObject({
        suggestedName: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 _.-]{0,99}$/),
        kind: z.enum(['png', 'svg', 'csv', 'md', 'tex', 'yaml']),
        /** base64 */
        bytes: z.string().max(64 * 2 ** 20),
      }),
    )
    .output(z.strictObject({ saved: z.boolean(), title: z.string() })),
  /** Opens one of the addresses the application knows (papers of methods, its own documentation). */
  openLink: call.input(z.strictObject({ url: z.url() })).output(z.void()),
  restartCompute: call.output(z.void()),
  /** Delay of the event loops of shell and compute host since the last call, in milliseconds. */
  responsiveness: call.output(
    z.strictObject({ shellP99: z.number(), computeP99: z.number(), samples: count }),
  ),
};
