/** The open project: its materials, and the edits that can be taken back. */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { ProjectOverview } from '../api/project.ts';
import { modelPath } from '../hub/local.ts';
import { AppError } from '../lib/errors.ts';
import {
  projectPath,
  readMaterials,
  writeMaterials,
  type Materials,
  type ProjectTask,
} from '../runs/project.ts';
import { readRecipe } from '../runs/recipe.ts';
import { listRuns, readRunRecipe } from '../runs/run-folder.ts';
import { projectCards } from './cards.ts';

/** A state of the materials, and in words the edit that leads away from it. */
interface Step {
  readonly materials: Materials;
  readonly edit: string;
}

const keptSteps = 100;

export class OpenProject {
  readonly folder: string;
  #materials: Materials;
  readonly #past: Step[] = [];
  #future: Step[] = [];

  private constructor(folder: string, materials: Materials) {
    this.folder = folder;
    this.#materials = materials;
  }

  /** Throws `project.invalid`, and what reading a recipe throws. */
  static async open(path: string): Promise<OpenProject> {
    const folder = resolve(path);
    const materials = await readMaterials(folder, async () => {
      const runs = await listRuns(folder);
      const [last] = runs.toSorted((a, b) => (a.record.createdAt < b.record.createdAt ? 1 : -1));
      return last === undefined ? undefined : readRunRecipe(last.run);
    });
    return new OpenProject(folder, materials);
  }

  get title(): string {
    return basename(this.folder);
  }

  get materials(): Materials {
    return this.#materials;
  }

  /** How the project writes down a path that a person chose. */
  write(path: string): string {
    return projectPath(this.folder, resolve(path));
  }

  /** Throws `hub.not_downloaded` for a model of the Hub that is not on this machine. */
  absolute(written: string): string {
    return modelPath(this.folder, written);
  }

  /** Throws `project.no_task`. */
  task(id: string): ProjectTask {
    const found = this.#materials.tasks.find((task) => task.id === id);
    if (found !== undefined) return found;
    throw new AppError('project.no_task', {
      what: `the project has no task "${id}"`,
      hint: `its tasks are: ${this.#materials.tasks.map((task) => task.id).join(', ') || 'none'}`,
    });
  }

  /** Writes the materials down and remembers the former ones; `edit` says in words what changes. */
  async edit(edit: string, change: (materials: Materials) => Materials): Promise<void> {
    const former = this.#materials;
    await this.#replace(change(former));
    this.#past.push({ materials: former, edit });
    if (this.#past.length > keptSteps) this.#past.shift();
    this.#future = [];
  }

  async undo(): Promise<void> {
    await this.#step(this.#past, this.#future, 'take back');
  }

  async redo(): Promise<void> {
    await this.#step(this.#future, this.#past, 'do again');
  }

  async #step(from: Step[], to: Step[], what: string): Promise<void> {
    const step = from.at(-1);
    if (step === undefined) {
      throw new AppError('project.nothing_to_undo', {
        what: `there is nothing to ${what}`,
        hint: 'edits are remembered as long as the project is open',
      });
    }
    const current = this.#materials;
    await this.#replace(step.materials);
    from.pop();
    to.push({ materials: current, edit: step.edit });
  }

  async #replace(materials: Materials): Promise<void> {
    await writeMaterials(this.folder, materials);
    this.#materials = materials;
  }

  async overview(): Promise<ProjectOverview> {
    return {
      title: this.title,
      location: this.folder,
      demo: await this.#isDemo(),
      ...(await projectCards(this.folder, this.#materials)),
      canUndo: this.#past.at(-1)?.edit ?? null,
      canRedo: this.#future.at(-1)?.edit ?? null,
    };
  }

  /** The bundled benchmark says so in its recipe and brings a notice of its sources. */
  async #isDemo(): Promise<boolean> {
    const recipe = join(this.folder, 'recipe.yaml');
    if (!existsSync(recipe) || !existsSync(join(this.folder, 'NOTICE.md'))) return false;
    return (await readRecipe(recipe).catch(() => undefined))?.name === 'demo';
  }

  /**
   * Head and image set of an expert where they are usual: `heads/<name>.safetensors` and
   * `tasks/<name>/test.json` beside the folder of the experts, or in the project.
   */
  companions(expert: string): Pick<ProjectTask, 'head' | 'data'> {
    const name = basename(expert, '.safetensors');
    const roots = [this.folder, dirname(dirname(resolve(expert)))];
    const find = (...parts: string[]) => {
      const found = roots.map((root) => join(root, ...parts)).find((path) => existsSync(path));
      return found === undefined ? null : this.write(found);
    };
    return { head: find('heads', `${name}.safetensors`), data: find('tasks', name, 'test.json') };
  }
}
