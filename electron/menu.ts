/** The native menu. Entries that concern the window's content are sent there as commands. */
import { Menu, type MenuItemConstructorOptions } from 'electron';
import type { MenuCommand } from '../main/api/shell.ts';
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
  readonly openPaper: () => void;
  readonly restartCompute: () => void;
}

const views: [command: MenuCommand, label: string][] = [
  ['view.project', 'Project'],
  ['view.merge', 'Merge'],
  ['view.routing', 'Routing'],
  ['view.compare', 'Compare'],
  ['view.runs', 'Runs'],
  ['view.export', 'Export'],
];

const themes: [theme: Theme, label: string][] = [
  ['system', 'Like the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

const isMac = process.platform === 'darwin';
const separator: MenuItemConstructorOptions = { type: 'separator' };

/** Builds the menu anew; called when the recents or the theme change. */
export function installMenu(
  actions: MenuActions,
  recents: readonly Recent[],
  theme: Theme,
  developerTools: boolean,
): void {
  const command = (
    id: MenuCommand,
    label: string,
    accelerator?: string,
  ): MenuItemConstructorOptions => ({
    label,
    ...(accelerator === undefined ? {} : { accelerator }),
    click: () => actions.command(id),
  });
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
        { label: 'New project…', accelerator: 'CmdOrCtrl+N', click: actions.newProject },
        { label: 'Open project…', accelerator: 'CmdOrCtrl+O', click: actions.openProject },
        { label: 'Open recent', submenu: recentItems },
        separator,
        command('project.addExperts', 'Add checkpoints…', 'CmdOrCtrl+Shift+A'),
        separator,
        isMac ? { role: 'close' } : { role: 'quit' },
      ],
    },
    {
      label: '&Edit',
      submenu: [
        command('edit.undo', 'Undo', 'CmdOrCtrl+Z'),
        command('edit.redo', 'Redo', isMac ? 'Cmd+Shift+Z' : 'Ctrl+Y'),
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
        ...views.map(([id, label], index) => command(id, label, `CmdOrCtrl+${index + 1}`)),
        separator,
        {
          label: 'Zoom in',
          accelerator: 'CmdOrCtrl+Plus',
          click: () => {
            actions.zoom(1);
          },
        },
        {
          label: 'Zoom in',
          accelerator: 'CmdOrCtrl+=',
          visible: false,
          acceleratorWorksWhenHidden: true,
          click: () => {
            actions.zoom(1);
          },
        },
        {
          label: 'Zoom out',
          accelerator: 'CmdOrCtrl+-',
          click: () => {
            actions.zoom(-1);
          },
        },
        {
          label: 'Actual size',
          accelerator: 'CmdOrCtrl+0',
          click: () => {
            actions.zoom('reset');
          },
        },
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
        command('run.start', 'Start', 'CmdOrCtrl+Enter'),
        command('run.cancel', 'Cancel', 'CmdOrCtrl+.'),
        separator,
        { label: 'Restart the compute process', click: actions.restartCompute },
      ],
    },
    ...(isMac ? [{ role: 'windowMenu' } as const] : []),
    {
      role: 'help',
      submenu: [
        command('help.shortcuts', 'Keyboard shortcuts', 'F1'),
        { label: 'The paper about WEMoE', click: actions.openPaper },
        ...(isMac ? [] : [separator, { role: 'about' } as const]),
      ],
    },
  ];
  Menu.setApplicationMenu(Menu.buildFromTemplate(template));
}
