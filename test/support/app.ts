/** Starts the real application, built or packaged, for tests and pictures. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  _electron,
  chromium,
  errors,
  type Browser,
  type ElectronApplication,
  type Page,
} from 'playwright-core';
import { buildDesktop } from '../../build/desktop.ts';
import { hasDisplay, needsNoSandbox, startVirtualDisplay } from '../../build/electron/display.ts';
import { findRuntime, requireLibraries } from '../../build/electron/runtime.ts';

const root = path.resolve(import.meta.dirname, '../..');

export interface LaunchOptions {
  /** Folder that keeps the application's data; a temporary one, removed at the end, when left out. */
  readonly userData?: string;
  /** A project folder for the command line. */
  readonly project?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly arguments?: readonly string[];
}

export interface RunningApp {
  readonly page: Page;
  readonly userData: string;
  /** Errors and warnings on the page's console, and exceptions that nobody caught. */
  readonly problems: string[];
  close(): Promise<void>;
}

export interface BuiltApp extends RunningApp {
  /** The main process; a packaged application does not let anybody in there. */
  readonly app: ElectronApplication;
}

let display: Promise<string | undefined> | undefined;

/** Longer than the compute process may take to save and end. */
const CLOSE_LIMIT_MS = 20_000;

/** DISPLAY for the application; the virtual one is shared by all applications of this process. */
async function displayName(): Promise<string | undefined> {
  display ??= hasDisplay()
    ? Promise.resolve(process.env['DISPLAY'])
    : startVirtualDisplay().then((virtual) => virtual.display);
  return display;
}

async function environment(
  userData: string,
  options: LaunchOptions,
): Promise<Record<string, string>> {
  const own = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const name = await displayName();
  return {
    ...Object.fromEntries(own),
    ...(name === undefined ? {} : { DISPLAY: name }),
    MERGEWRIGHT_USER_DATA: userData,
    ...options.env,
  };
}

/** Switches that make a run in a test like any other: no GPU, sandbox as far as the user may. */
function switches(): string[] {
  return [...(needsNoSandbox() ? ['--no-sandbox'] : []), '--disable-gpu', '--lang=en-GB'];
}

function collectProblems(page: Page): string[] {
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      problems.push(`${message.type()}: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
  return problems;
}

interface UserData {
  readonly userData: string;
  /** After the last use; what the caller named stays. */
  readonly remove: () => void;
  /** After a start that came to nothing: what it has written is gone, as if it had not been. */
  readonly undo: () => void;
}

function userDataOf(options: LaunchOptions): UserData {
  const userData = options.userData ?? mkdtempSync(path.join(tmpdir(), 'mergewright-app-'));
  const clear = () => {
    rmSync(userData, { recursive: true, force: true, maxRetries: 5 });
  };
  const nothing = () => undefined;
  if (options.userData === undefined) return { userData, remove: clear, undo: clear };
  return { userData, remove: nothing, undo: existsSync(userData) ? nothing : clear };
}

/** Several times as long as a start takes on a busy machine. */
const LAUNCH_LIMIT_MS = 25_000;
const LAUNCH_ATTEMPTS = 5;

/**
 * Playwright's launch, again where it gets no answer: about one in ten times on a busy machine its two debuggers
 * connect, and it then waits for a word of the application that came before it listened. The application did start,
 * so what it wrote is undone: the next attempt at a first start is one too.
 */
async function launchPatiently(
  options: LaunchOptions,
  settings: (userData: string) => Promise<Parameters<typeof _electron.launch>[0]>,
): Promise<{ app: ElectronApplication; userData: string; remove: () => void }> {
  for (let attempt = 1; ; attempt++) {
    const { userData, remove, undo } = userDataOf(options);
    try {
      const launch = { ...(await settings(userData)), timeout: LAUNCH_LIMIT_MS };
      return { app: await _electron.launch(launch), userData, remove };
    } catch (error) {
      undo();
      if (attempt === LAUNCH_ATTEMPTS || !(error instanceof errors.TimeoutError)) throw error;
    }
  }
}

let built: Promise<unknown> | undefined;

/** Builds what is stale and starts the application from the sources; resolves when its window is there. */
export async function launchBuilt(options: LaunchOptions = {}): Promise<BuiltApp> {
  // Once: no source changes while tests run.
  built ??= buildDesktop();
  await built;
  const runtime = await findRuntime();
  requireLibraries(runtime);
  const project = options.project === undefined ? [] : [options.project];
  const { app, userData, remove } = await launchPatiently(options, async (folder) => ({
    executablePath: runtime.executable,
    args: [...switches(), ...(options.arguments ?? []), root, ...project],
    env: await environment(folder, options),
    cwd: root,
    // Playwright would show every page in light colours.
    colorScheme: null,
  }));
  const page = await app.firstWindow();
  const problems = collectProblems(page);
  return {
    app,
    page,
    userData,
    problems,
    async close() {
      const child = app.process();
      // A dialog of the system can hold the main process for ever.
      const force = setTimeout(() => child.kill('SIGKILL'), CLOSE_LIMIT_MS);
      await app.close();
      clearTimeout(force);
      remove();
    },
  };
}

/** The address of the page's debugger, which Chromium prints when it is ready. */
async function debuggerAddress(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => {
      reject(new Error(`the packaged application did not start in time; it said: ${text}`));
    }, 60_000);
    child.stderr?.on('data', (data: Buffer) => {
      text += data.toString();
      const address = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
    child.on('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`the packaged application ended (${String(code)}); it said: ${text}`));
    });
  });
}

/** A page that is just being made can leave the first connection without an answer. */
async function connect(address: string): Promise<Browser> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await chromium.connectOverCDP(address, { timeout: 20_000 });
    } catch (error) {
      if (attempt === 4) throw error;
    }
  }
}

/**
 * Starts a packaged application. Its fuses keep everybody out of the main process, Playwright's launcher
 * included, so the page is reached over Chromium's own debugging port.
 */
export async function launchPackaged(
  executable: string,
  options: LaunchOptions = {},
): Promise<RunningApp> {
  const { userData, remove } = userDataOf(options);
  const project = options.project === undefined ? [] : [options.project];
  const child = spawn(
    executable,
    [...switches(), '--remote-debugging-port=0', ...(options.arguments ?? []), ...project],
    { env: await environment(userData, options), stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const browser = await connect(await debuggerAddress(child));
  const context = browser.contexts()[0];
  if (context === undefined) throw new Error('the packaged application has no page');
  const page = context.pages()[0] ?? (await context.waitForEvent('page'));
  const problems = collectProblems(page);
  return {
    page,
    userData,
    problems,
    async close() {
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), CLOSE_LIMIT_MS);
      await exited;
      clearTimeout(force);
      await browser.close();
      remove();
    },
  };
}
