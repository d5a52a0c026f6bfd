/** The one window: its frame, looks and place on the screen. */
import { BrowserWindow, nativeTheme, screen } from 'electron';
import { origin } from './protocol.ts';
import { places } from './places.ts';
import { developerTools } from './security.ts';
import { fitBounds, minimumSize, type WindowStateStore } from './window-state.ts';

/** Shown until the page paints: --app of renderer/styles/tokens.css in each theme, so that nothing flashes. */
const backgrounds = { dark: '#12151a', light: '#f2f4f7' };

const background = (): string =>
  nativeTheme.shouldUseDarkColors ? backgrounds.dark : backgrounds.light;

/** Opens the window where it was the last time; the page is not loaded yet. */
export function createWindow(store: WindowStateStore): BrowserWindow {
  const primary = screen.getPrimaryDisplay();
  const others = screen.getAllDisplays().filter(({ id }) => id !== primary.id);
  const workAreas = others.map(({ workArea }) => workArea);
  const window = new BrowserWindow({
    ...fitBounds(store.state.bounds, [primary.workArea, ...workAreas]),
    minWidth: minimumSize.width,
    minHeight: minimumSize.height,
    title: 'Mergewright',
    icon: places.icon,
    backgroundColor: background(),
    show: false,
    webPreferences: {
      preload: places.preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webviewTag: false,
      webSecurity: true,
      navigateOnDragDrop: false,
      spellcheck: false,
      devTools: developerTools,
      zoomFactor: store.state.zoom,
    },
  });
  if (store.state.maximized) window.maximize();
  window.once('ready-to-show', () => {
    // Chromium remembers a zoom by host; ours is the one that counts.
    window.webContents.setZoomFactor(store.state.zoom);
    window.show();
  });

  const remember = (): void => {
    if (window.isDestroyed() || window.isMinimized() || window.isFullScreen()) return;
    store.change({ bounds: window.getNormalBounds(), maximized: window.isMaximized() });
  };
  window.on('resize', remember);
  window.on('move', remember);
  window.on('maximize', remember);
  window.on('unmaximize', remember);
  window.on('page-title-updated', (event) => event.preventDefault());

  const followTheme = (): void => window.setBackgroundColor(background());
  nativeTheme.on('updated', followTheme);
  window.on('closed', () => nativeTheme.off('updated', followTheme));
  return window;
}

/** Loads the page. */
export async function loadPage(window: BrowserWindow): Promise<void> {
  await window.loadURL(`${origin}/index.html`);
}

/** Brings the window to the front. */
export function bringForward(window: BrowserWindow): void {
  if (window.isMinimized()) window.restore();
  window.show();
  window.focus();
}
