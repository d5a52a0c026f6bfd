import { mkdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { modelPath } from '../../hub/local.ts';
import { writeError } from '../../lib/durable-file.ts';
import { openHeadMaker, writeHead } from '../../text/head-maker.ts';
import { bundledPrompts, isPromptsFile, readPrompts, type Prompts } from '../../text/prompts.ts';
import { defineCommand } from '../command.ts';

interface Made {
  readonly task: string;
  readonly classes: number;
  readonly prompts: number;
  readonly features: number;
  readonly path: string;
}

export const head = defineCommand({
  name: 'head',
  summary: "Make zero-shot heads from class names with CLIP's text encoder",
  description:
    'CLIP is the folder of a whole CLIP model (openai/clip-vit-base-patch32 and the like): both encoders and the tokenizer files. ' +
    'The class names and templates of the twenty tasks of the CLIP merging benchmarks come with the program; ' +
    `others are a JSON file {"classes": [...], "templates": ["a photo of a {}."]}. Tasks: ${Object.keys(bundledPrompts).join(', ')}.`,
  example: 'mergewright head clip-vit-base-patch32 --prompts sun397 eurosat own.json --out heads',
  positionals: [{ name: 'CLIP', summary: 'folder or Hub name of a whole CLIP model' }],
  options: {
    prompts: {
      kind: 'list',
      value: 'TASK',
      required: true,
      summary: 'tasks that come with the program, or .json files with classes and templates',
    },
    out: {
      kind: 'text',
      value: 'DIR',
      required: true,
      summary: 'folder for the heads, one TASK.safetensors each',
    },
  },
  async run({ prompts: references, out }, [model = ''], { signal, progress }) {
    const tasks: { readonly task: string; readonly prompts: Prompts }[] = [];
    // All are read before anything is computed: a misspelt name is found at once.
    for (const reference of references) {
      const task = isPromptsFile(reference) ? basename(reference, extname(reference)) : reference;
      tasks.push({ task, prompts: await readPrompts(reference) });
    }
    const maker = await openHeadMaker(modelPath('', model));
    try {
      await mkdir(out, { recursive: true }).catch((error: unknown) => {
        throw writeError(error, out);
      });
      const made: Made[] = [];
      progress.start('Encoding prompts', tasks.length, 'heads');
      for (const { task, prompts } of tasks) {
        const path = join(out, `${task}.safetensors`);
        const onTexts = (done: number, total: number) => {
          progress.update(made.length + done / total, task);
        };
        const zeroShot = await maker.make(prompts, { signal, onTexts });
        await writeHead(path, zeroShot);
        const [classes = 0, features = 0] = zeroShot.weight.shape;
        const count = classes * prompts.templates.length;
        made.push({ task, classes, prompts: count, features, path });
        progress.update(made.length, task);
      }
      return { json: { heads: made }, text: made.map(lineOf).join('\n') };
    } finally {
      await maker.close();
    }
  },
});

function lineOf({ classes, prompts, features, path }: Made): string {
  return `Wrote ${path}: ${classes} classes from ${prompts} prompts, ${features} features`;
}
