/** The system's dialogs; what a person picks leaves here as a path for the shell, never for the window. */
import {
  dialog,
  type BrowserWindow,
  type OpenDialogOptions,
  type SaveDialogOptions,
} from 'electron';
import { mkdir } from 'node:fs/promises';
import type { z } from 'zod';
import type { choosing } from '../main/api/shell.ts';

export type Purpose = z.output<typeof choosing>;

const anyFile = { name: 'All files', extensions: ['*'] };
const weights = { name: 'Checkpoints (safetensors)', extensions: ['safetensors', 'json'] };

/** Those that ask for a folder that is not there yet. */
type SavePurpose = 'new-project' | 'merged' | 'adapter';

const openDialogs: Record<Exclude<Purpose, SavePurpose>, OpenDialogOptions> = {
  project: {
    title: 'Open a project',
    buttonLabel: 'Open project',
    properties: ['openDirectory'],
  },
  base: {
    title: 'Choose the base model: the folder with its config.json and weights',
    buttonLabel: 'Use as base',
    properties: ['openDirectory'],
  },
  experts: {
    title: 'Choose fine-tuned checkpoints: one folder for each',
    buttonLabel: 'Add checkpoints',
    properties: ['openDirectory', 'multiSelections'],
  },
  head: {
    title: 'Choose the classification head',
    buttonLabel: 'Use head',
    properties: ['openFile'],
    filters: [weights, anyFile],
  },
  data: {
    title: 'Choose the folder with the images: a folder for each class, Parquet or IDX files',
    buttonLabel: 'Use images',
    properties: ['openDirectory'],
  },
  'data-file': {
    title: 'Choose the file with the images: Parquet, IDX or a list',
    buttonLabel: 'Use images',
    properties: ['openFile'],
    filters: [
      {
        name: 'Image sets (Parquet, IDX, CSV, sprite sheets)',
        // A pattern may not hold the hyphen of images-idx3-ubyte; the kind of a file is found by its name anyway.
        extensions: ['parquet', 'csv', 'tsv', 'json', 'gz'],
      },
      anyFile,
    ],
  },
  export: {
    title: 'Choose where the exported model goes',
    buttonLabel: 'Export here',
    properties: ['openDirectory', 'createDirectory'],
  },
  models: {
    title: 'Choose models and adapters: one folder for each',
    buttonLabel: 'Add models',
    properties: ['openDirectory', 'multiSelections'],
  },
  'model-files': {
    title: 'Choose weight files',
    buttonLabel: 'Add models',
    properties: ['openFile', 'multiSelections'],
    filters: [
      {
        name: 'Weights (safetensors, PyTorch)',
        extensions: ['safetensors', 'bin', 'pt', 'pth', 'ckpt', 'json'],
      },
      anyFile,
    ],
  },
  adapters: {
    title: 'Choose LoRA adapters: one folder for each',
    buttonLabel: 'Add adapters',
    properties: ['openDirectory', 'multiSelections'],
  },
  tuned: {
    title: 'Choose the fine-tuned model: the folder with its config.json and weights',
    buttonLabel: 'Use this model',
    properties: ['openDirectory'],
  },
  'merge-file': {
    title: 'Open a mergekit YAML or a recipe',
    buttonLabel: 'Open',
    properties: ['openFile'],
    filters: [{ name: 'Recipes (YAML)', extensions: ['yaml', 'yml'] }, anyFile],
  },
};

const saveDialogs: Record<SavePurpose, SaveDialogOptions> = {
  'new-project': {
    title: 'Create a project: a new folder for its recipes and runs',
    buttonLabel: 'Create project',
    nameFieldLabel: 'Name of the project',
    defaultPath: 'Merge project',
    properties: ['createDirectory', 'showOverwriteConfirmation'],
  },
  merged: {
    title: 'Choose where the merged model goes: a new folder',
    buttonLabel: 'Use this place',
    nameFieldLabel: 'Name of the model',
    defaultPath: 'Merged model',
    properties: ['createDirectory'],
  },
  adapter: {
    title: 'Choose where the adapter goes: a new folder',
    buttonLabel: 'Use this place',
    nameFieldLabel: 'Name of the adapter',
    defaultPath: 'New adapter',
    properties: ['createDirectory'],
  },
};

/** The paths picked, or null when the dialog was cancelled. */
export async function choosePaths(
  window: BrowserWindow,
  purpose: Purpose,
): Promise<string[] | null> {
  if (purpose === 'new-project' || purpose === 'merged' || purpose === 'adapter') {
    const { canceled, filePath } = await dialog.showSaveDialog(window, saveDialogs[purpose]);
    if (canceled || filePath === '') return null;
    // A merge makes its folder itself, when it is complete.
    if (purpose === 'new-project') await mkdir(filePath, { recursive: true });
    return [filePath];
  }
  const { canceled, filePaths } = await dialog.showOpenDialog(window, openDialogs[purpose]);
  return canceled || filePaths.length === 0 ? null : filePaths;
}

const savedKinds = {
  png: 'PNG image',
  svg: 'SVG drawing',
  csv: 'Table (CSV)',
  md: 'Table (Markdown)',
  tex: 'Table (LaTeX)',
  yaml: 'Recipe (YAML)',
};

/** Where to save a file, or null when the dialog was cancelled. */
export async function chooseSavePath(
  window: BrowserWindow,
  suggestedName: string,
  kind: keyof typeof savedKinds,
): Promise<string | null> {
  const { canceled, filePath } = await dialog.showSaveDialog(window, {
    title: 'Save',
    defaultPath: suggestedName,
    filters: [{ name: savedKinds[kind], extensions: [kind] }, anyFile],
    properties: ['createDirectory', 'showOverwriteConfirmation'],
  });
  return canceled || filePath === '' ? null : filePath;
}
