/** Puts the pieces of the shell together once Electron is ready. */
import { app, nativeTheme, session, type BrowserWindow } from 'electron';
import path from 'node:path';
import { z } from 'zod';
import { droppedProjectOf } from './associations.ts';
import { createCompute } from './compute.ts';
import { createConnections } from './connections.ts';
import { choosePaths, type Purpose } from './dialogs.ts';
import { createEventHub } from './event-hub.ts';
import { createHandles } from './handles.ts';
import { receive } from './ipc.ts';
import { installMenu } from './menu.ts';
import { places } from './places.ts';
import { serveWindow } from './protocol.ts';
import { openRecents } from './recents.ts';
import { confineSession, developerTools } from './security.ts';
import { createShellRouter, toChosen } from './shell-service.ts';
import { openWindowState, nextZoom } from './window-state.ts';
import { bringForward, createWindow, loadPage } from './window.ts';

export interface Application {
  /** Opens a project in the window, and the window when there is none. */
  open(projectFolder: string | undefined): void;
  /** Lets the compute host save what runs; resolves when everything has ended. */
  quit(): Promise<void>;
}

const droppedPaths = z.strictObject({
  paths: z
    .array(
      z
        .string()
        .max(32_768)
        .refine((file) => path.isAbsolute(file)),
    )
    .min(1)
    .max(256),
});

/** Starts the compute host and opens the window. */
export function startApplication(): Application {
  let window: BrowserWindow | undefined;
  const windowState = openWindowState(places.userData('window.json'));
  const events = createEventHub(() => [{ type: 'compute', ...compute.supervisor.state }]);
  const handles = createHandles((handle, file) => {
    compute.supervisor.send({ type: 'grant', handle, path: file });
  });
  const recents = openRecents(places.userData('recents.json'), () => refreshMenu());

  const compute = createCompute({
    handles: () => handles,
    onState(state) {
      if (state.state === 'ready' && window !== undefined) connections.connectCompute(window);
      events.emit({ type: 'compute', ...state });
    },
    onOpened(folder, title) {
      window?.setTitle(`${title} — Mergewright`);
      app.addRecentDocument(folder);
      recents.add(folder, title).catch((error: unknown) => {
        console.error('the list of recent projects could not be saved:', error);
      });
    },
  });

  const requireWindow = (): BrowserWindow => {
    if (window === undefined) throw new Error('the window is closed');
    return window;
  };
  const router = createShellRouter({
    window: requireWindow,
    handles,
    recents,
    events,
    openProject: compute.openProject,
    restartCompute: () => compute.supervisor.restart(),
    measure: () => compute.measure(),
  });
  const connections = createConnections(router, compute.supervisor);

  const announce = (folder: string, title?: string): void => {
    const project = toChosen(handles, folder);
    events.emit({
      type: 'project',
      project: title === undefined ? project : { ...project, title },
    });
  };

  async function chooseProject(purpose: Purpose): Promise<void> {
    if (window === undefined) return;
    const [folder] = (await choosePaths(window, purpose)) ?? [];
    if (folder !== undefined) announce(folder);
  }

  function zoom(change: 1 | -1 | 'reset'): void {
    const factor = change === 'reset' ? 1 : nextZoom(windowState.state.zoom, change);
    windowState.change({ zoom: factor });
    window?.webContents.setZoomFactor(factor);
  }

  function refreshMenu(): void {
    installMenu(
      {
        command: (command) => events.emit({ type: 'menu', command }),
        newProject: () => void chooseProject('new-project'),
        openProject: () => void chooseProject('project'),
        openRecent: (recent) => announce(recent.path, recent.title),
        zoom,
        setTheme(theme) {
          windowState.change({ theme });
          nativeTheme.themeSource = theme;
          refreshMenu();
        },
        restartCompute: () => void compute.supervisor.restart(),
      },
      recents.list(),
      windowState.state.theme,
      developerTools,
    );
  }

  function openWindow(): BrowserWindow {
    const opened = createWindow(windowState);
    window = opened;
    opened.on('closed', () => (window = undefined));
    opened.webContents.on('dom-ready', () => connections.connectPage(opened));
    opened.webContents.on('render-process-gone', (_event, details) => {
      if (details.reason !== 'clean-exit' && !opened.isDestroyed()) opened.reload();
    });
    loadPage(opened).catch((error: unknown) => {
      // A window that is closed while it loads is no failure.
      if (!opened.isDestroyed()) console.error('the window could not be loaded:', error);
    });
    return opened;
  }

  confineSession(session.defaultSession);
  serveWindow(session.defaultSession, places.window);
  receive(
    'dropped',
    droppedPaths,
    () => window,
    ({ paths }) => {
      const [first, ...others] = paths;
      // What anything but a project is for is the window's question.
      const project = others.length === 0 ? droppedProjectOf(first!) : undefined;
      if (project !== undefined) announce(project);
      else events.emit({ type: 'dropped', items: paths.map((file) => toChosen(handles, file)) });
    },
  );
  nativeTheme.themeSource = windowState.state.theme;
  refreshMenu();
  openWindow();
  compute.supervisor.start();

  return {
    open(projectFolder) {
      bringForward(window ?? openWindow());
      if (projectFolder !== undefined) announce(projectFolder);
    },
    async quit() {
      await Promise.all([compute.supervisor.quit(), windowState.saved()]);
    },
  };
}
