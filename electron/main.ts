/** The desktop application begins here: what must be set before Electron is ready, and the life of the process. */
import { app } from 'electron';
import { startApplication, type Application } from './application.ts';
import { projectFolderOf, projectOfArguments } from './associations.ts';
import { registerScheme } from './protocol.ts';
import { confineContents } from './security.ts';

// Tests, and a portable installation, keep everything in a folder of their own.
const userData = process.env['MERGEWRIGHT_USER_DATA'];
if (userData !== undefined && userData !== '') app.setPath('userData', userData);

app.setName('Mergewright');
registerScheme();
// Root cannot have Chromium's sandbox: build/electron/start.ts says so, and enabling it here would end in a loop of crashes.
if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox();
confineContents();

/** Words of a command line before the user's own: the program, and from the sources the application's folder. */
const skippedWords = app.isPackaged ? 1 : 2;

let application: Application | undefined;
let wanted = projectOfArguments(process.argv, skippedWords, process.cwd());

function open(project: string | undefined): void {
  if (application === undefined) wanted = project ?? wanted;
  else application.open(project);
}

if (!app.requestSingleInstanceLock()) app.quit();
else {
  app.on('second-instance', (_event, words, folder) => {
    open(projectOfArguments(words, skippedWords, folder));
  });
  app.on('open-file', (event, file) => {
    event.preventDefault();
    open(projectFolderOf(file));
  });
  app.on('activate', () => open(undefined));
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });

  let ended = false;
  app.on('will-quit', (event) => {
    if (ended || application === undefined) return;
    // Windows are closed; the compute host now saves what runs, in bounded time.
    event.preventDefault();
    void application.quit().finally(() => {
      ended = true;
      // Not from within this event: Electron would take it for a part of the quit that was just prevented.
      setImmediate(() => app.quit());
    });
  });

  void app.whenReady().then(() => {
    application = startApplication();
    if (wanted !== undefined) application.open(wanted);
  });
}
