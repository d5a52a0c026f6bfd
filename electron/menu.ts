/** The native menu. Entries that concern the window's content are sent there as commands. */
import { Menu, type MenuItemConstructorOptions } from 'electron';
import {
  acceleratorOf,
  shellEntries,
  windowEntries,
  type MenuCommand,
  type MenuEntry,
} from '../main/api/menu.ts';
import type { Recent } from './recents.ts';
import type { WindowState } from './window-state.ts';

type Theme = WindowState['theme'];

export interface MenuActions {
  readonly command: (command: MenuCommand) => void;
  readonly newProject: () => void;
  readonly openProject: () => void;
  readonly openRecent: (recent: Recent) => void;
  readonly zoom: (change: 1 | -1 | 'reset') => void;
  readonly setTheme: (theme: Theme) => void;
  readonly restartCompute: () => void;
}

const views: readonly MenuCommand[] = [
  'view.project',
  'view.merge',
  'view.routing',
  'view.compare',
  'view.runs',
  'view.export',
];

const themes: [theme: Theme, label: string][] = [
  ['system', 'Like the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

const isMac = process.platform === 'darwin';
const separator: MenuItemConstructorOptions = { type: 'separator' };

function item(entry: MenuEntry, click: () => void): MenuItemConstructorOptions {
  const accelerator = acceleratorOf(entry, isMac);
  return { label: entry.label, ...(accelerator === undefined ? {} : { accelerator }), click };
}

/** Builds the menu anew; called when the recents or the theme change. */
export function installMenu(
  actions: MenuActions,
  recents: readonly Recent[],
  theme: Theme,
  developerTools: boolean,
): void {
  const command = (id: MenuCommand): MenuItemConstructorOptions =>
    item(windowEntries[id], () => actions.command(id));
  const zoom = (entry: MenuEntry, change: 1 | -1 | 'reset'): MenuItemConstructorOptions =>
    item(entry, () => actions.zoom(change));
  const recentItems: MenuItemConstructorOptions[] =
    recents.length === 0
      ? [{ label: 'None yet', enabled: false }]
      : recents.map((recent) => ({
          label: recent.title,
          toolTip: recent.path,
          click: () => actions.openRecent(recent),
        }));
  const template: MenuItemConstructorOptions[] = [
    ...(isMac ? [{ role: 'appMenu' } as const] : []),
    {
      label: '&File',
      submenu: [
        item(shellEntries.newProject, actions.newProject),
        item(shellEntries.openProject, actions.openProject),
        { label: 'Open recent', submenu: recentItems },
        separator,
        command('project.addExperts'),
        separator,
        isMac ? { role: 'close' } : { role: 'quit' },
      ],
    },
    {
      label: '&Edit',
      submenu: [
        command('edit.undo'),
        command('edit.redo'),
        separator,
        { role: 'cut' },
        { role: 'copy' },
        { role: 'paste' },
        { role: 'selectAll' },
      ],
    },
    {
      label: '&View',
      submenu: [
        ...views.map(command),
        separator,
        zoom(shellEntries.zoomIn, 1),
        {
          // The key of "+" without Shift, on keyboards that have it there.
          ...zoom({ ...shellEntries.zoomIn, accelerator: 'CmdOrCtrl+=' }, 1),
          visible: false,
          acceleratorWorksWhenHidden: true,
        },
        zoom(shellEntries.zoomOut, -1),
        zoom(shellEntries.zoomReset, 'reset'),
        separator,
        {
          label: 'Theme',
          submenu: themes.map(([id, label]) => ({
            label,
            type: 'radio',
            checked: id === theme,
            click: () => actions.setTheme(id),
          })),
        },
        { role: 'togglefullscreen' },
        ...(developerTools ? [separator, { role: 'toggleDevTools' } as const] : []),
      ],
    },
    {
      label: '&Run',
      submenu: [
        command('run.start'),
        command('run.cancel'),
        separator,
        { label: 'Restart the compute process', click: actions.restartCompute },
      ],
    },
    ...(isMac ? [{ role: 'windowMenu' } as const] : []),
    {
      role: 'help',
      submenu: [
        command('help.show'),
        command('help.shortcuts'),
        ...(isMac ? [] : [separator, { role: 'about' } as const]),
      ],
    },
  ];
  Menu.setApplicationMenu(Menu.buildFromTemplate(template));
}
