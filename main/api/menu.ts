/**
 * Entries of the native menu that have keys of their own or that the window carries out. The menu (electron/menu.ts), the
 * hints beside buttons and the list of shortcuts in the help are all made of these tables.
 */

export interface MenuEntry {
  readonly menu: 'File' | 'Edit' | 'View' | 'Run' | 'Help';
  readonly label: string;
  /** As Electron writes it: "CmdOrCtrl+1". */
  readonly accelerator?: string;
  /** Where macOS has another custom. */
  readonly macAccelerator?: string;
}

/** Carried out by the window, in the order of the menu. */
export const windowEntries = {
  'project.addExperts': {
    menu: 'File',
    label: 'Add checkpoints…',
    accelerator: 'CmdOrCtrl+Shift+A',
  },
  'edit.undo': { menu: 'Edit', label: 'Undo', accelerator: 'CmdOrCtrl+Z' },
  'edit.redo': {
    menu: 'Edit',
    label: 'Redo',
    accelerator: 'Ctrl+Y',
    macAccelerator: 'Cmd+Shift+Z',
  },
  'view.project': { menu: 'View', label: 'Project', accelerator: 'CmdOrCtrl+1' },
  'view.merge': { menu: 'View', label: 'Merge', accelerator: 'CmdOrCtrl+2' },
  'view.routing': { menu: 'View', label: 'Routing', accelerator: 'CmdOrCtrl+3' },
  'view.compare': { menu: 'View', label: 'Compare', accelerator: 'CmdOrCtrl+4' },
  'view.runs': { menu: 'View', label: 'Runs', accelerator: 'CmdOrCtrl+5' },
  'view.export': { menu: 'View', label: 'Export', accelerator: 'CmdOrCtrl+6' },
  'run.start': { menu: 'Run', label: 'Start', accelerator: 'CmdOrCtrl+Enter' },
  'run.cancel': { menu: 'Run', label: 'Cancel', accelerator: 'CmdOrCtrl+.' },
  'help.show': { menu: 'Help', label: 'Mergewright help', accelerator: 'F1' },
  'help.shortcuts': { menu: 'Help', label: 'Keyboard shortcuts', accelerator: 'CmdOrCtrl+/' },
} as const satisfies Record<string, MenuEntry>;

export type MenuCommand = keyof typeof windowEntries;

/** Carried out by the shell. */
export const shellEntries = {
  newProject: { menu: 'File', label: 'New project…', accelerator: 'CmdOrCtrl+N' },
  openProject: { menu: 'File', label: 'Open project…', accelerator: 'CmdOrCtrl+O' },
  zoomIn: { menu: 'View', label: 'Zoom in', accelerator: 'CmdOrCtrl+Plus' },
  zoomOut: { menu: 'View', label: 'Zoom out', accelerator: 'CmdOrCtrl+-' },
  zoomReset: { menu: 'View', label: 'Actual size', accelerator: 'CmdOrCtrl+0' },
} as const satisfies Record<string, MenuEntry>;

/** The entry's keys on the system at hand. */
export function acceleratorOf(entry: MenuEntry, isMac: boolean): string | undefined {
  return isMac ? (entry.macAccelerator ?? entry.accelerator) : entry.accelerator;
}
