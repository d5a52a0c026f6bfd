/** What the compute host knows between calls: granted paths, the open project, what is kept in memory. */
import { randomBytes } from 'node:crypto';
import type { FromHost } from '../api/host-messages.ts';
import { AppError } from '../lib/errors.ts';
import { EngineCards } from './engine-cards.ts';
import { Estimates } from './estimates.ts';
import type { Averages } from './export-choices.ts';
import { HubDesk } from './hub/desk.ts';
import { ImageSets } from './image-sets.ts';
import { Jobs } from './jobs.ts';
import { OpenProject } from './open-project.ts';
import { Results } from './results.ts';
import { TaskVectorCache } from './task-vector-cache.ts';

/** Much longer than a message is on its way between two processes. */
const grantMs = 100;

export interface SessionOptions {
  /** Tells the process that owns the windows. */
  readonly tell: (message: FromHost) => void;
  /** One line for people who look for the cause of a bug. */
  readonly log: (line: string) => void;
}

export class Session {
  readonly log: SessionOptions['log'];
  readonly engines = new EngineCards();
  readonly estimates = new Estimates();
  readonly jobs: Jobs;
  readonly imageSets = new ImageSets();
  readonly hub = new HubDesk();
  readonly results = new Results();
  /** Accuracies of static folds, which are measured when one is exported. */
  readonly measuredFolds = new Map<string, Averages>();
  readonly taskVectors = new TaskVectorCache();
  readonly #tell: SessionOptions['tell'];
  readonly #grants = new Map<string, string>();
  readonly #awaited = new Map<string, () => void>();
  #project: OpenProject | undefined;
  #reopening: Promise<void> = Promise.resolve();

  constructor({ tell, log }: SessionOptions) {
    this.#tell = tell;
    this.log = log;
    this.jobs = new Jobs(log);
  }

  /** From now on `handle` stands for `path`. */
  grant(handle: string, path: string): void {
    this.#grants.set(handle, path);
    this.#awaited.get(handle)?.();
  }

  /**
   * Settles when the handles are granted, or after a moment. A grant comes through another port than the call
   * that names its handle, and may come later, although it was sent before.
   */
  async granted(handles: readonly string[]): Promise<void> {
    const missing = handles.filter((handle) => !this.#grants.has(handle));
    if (missing.length === 0) return;
    const all = missing.map(
      (handle) => new Promise<void>((resolve) => this.#awaited.set(handle, resolve)),
    );
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, grantMs)));
    await Promise.race([Promise.all(all), patience]);
    clearTimeout(timer);
    for (const handle of missing) this.#awaited.delete(handle);
  }

  /** The path behind a handle. A handle that was never granted is a fault of the window, or an attack. */
  pathOf(handle: string): string {
    const path = this.#grants.get(handle);
    if (path !== undefined) return path;
    throw new AppError('file.read_failed', {
      what: 'the chosen file or folder is not known any more',
      hint: 'choose it again',
    });
  }

  /** A handle by which the window can ask the shell to show `path`. */
  place(path: string): string {
    const handle = randomBytes(16).toString('hex');
    this.#tell({ type: 'place', handle, path });
    return handle;
  }

  /** The same for a place that the window may also name to this process. */
  open(path: string): string {
    const handle = this.place(path);
    this.grant(handle, path);
    return handle;
  }

  async openProject(folder: string): Promise<OpenProject> {
    const project = await OpenProject.open(folder);
    this.#project = project;
    this.#tell({ type: 'opened', path: project.folder, title: project.title });
    return project;
  }

  /** Opens what was open before this process was started; a project that is gone by now is left closed. */
  async reopenProject(folder: string): Promise<void> {
    this.#reopening = this.openProject(folder).then(
      () => undefined,
      (error: unknown) => this.log(`the former project was not opened again: ${String(error)}`),
    );
    await this.#reopening;
  }

  /** The project that is open, also when it is just being opened again. */
  async openedProject(): Promise<OpenProject | undefined> {
    await this.#reopening;
    return this.#project;
  }

  /** Stops what runs, in a state it can go on from. */
  async close(): Promise<void> {
    await this.jobs.close();
  }

  /** Throws `project.none_open`. */
  get project(): OpenProject {
    if (this.#project !== undefined) return this.#project;
    throw new AppError('project.none_open', {
      what: 'no project is open',
      hint: 'open a project first',
    });
  }
}
