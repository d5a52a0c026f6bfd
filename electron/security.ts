/** What no page in this application may do, whatever it shows: leave, open windows, ask for permissions, reach a network. */
import { app, type Session, type WebContents } from 'electron';
import { origin } from './protocol.ts';

/** Developer tools are for development: a packaged application has none. */
export const developerTools = !app.isPackaged;

/** Whether an address lies in the window's own origin. */
export function isOwn(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  return `${url.protocol}//${url.host}` === origin;
}

/** Addresses a request may have at all. */
function isAllowed(address: string): boolean {
  return isOwn(address) || (developerTools && address.startsWith('devtools:'));
}

/** The one permission: the window's own page may put text on the clipboard after a click ("Copy"), never read it. */
const granted = 'clipboard-sanitized-write';

/** Denies every other permission, and every request that does not stay in the application. */
export function confineSession(session: Session): void {
  session.setPermissionRequestHandler((_contents, permission, answer, details) => {
    answer(permission === granted && details.isMainFrame && isOwn(details.requestingUrl));
  });
  session.setPermissionCheckHandler(
    (_contents, permission, requester, details) =>
      permission === granted && details.isMainFrame && isOwn(requester),
  );
  session.setDevicePermissionHandler(() => false);
  session.setDisplayMediaRequestHandler(null);
  session.webRequest.onBeforeRequest((details, answer) => {
    answer({ cancel: !isAllowed(details.url) });
  });
  // Requests for files do not pass the filter above.
  session.protocol.handle('file', () => Response.error());
  session.on('will-download', (event) => event.preventDefault());
  session.setSpellCheckerEnabled(false);
}

/** Holds every page where it is. Registered for all web contents, so that none can be forgotten. */
export function confineContents(): void {
  app.on('web-contents-created', (_event, contents: WebContents) => {
    contents.on('will-navigate', (event) => event.preventDefault());
    contents.on('will-redirect', (event) => event.preventDefault());
    contents.on('will-frame-navigate', (event) => event.preventDefault());
    contents.on('will-attach-webview', (event) => event.preventDefault());
    contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  });
}
