import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  droppedProjectOf,
  projectFolderOf,
  projectOfArguments,
} from '../../../electron/associations.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

async function withProject(): Promise<{ parent: string; project: string }> {
  const parent = await temporaryFolder();
  const project = path.join(parent, 'my project');
  mkdirSync(project);
  writeFileSync(path.join(project, 'project.json'), '{}');
  writeFileSync(path.join(project, 'other.json'), '{}');
  return { parent, project };
}

test('a project is its folder or its project.json, and nothing else', async () => {
  const { project } = await withProject();
  expect(projectFolderOf(project)).toBe(project);
  expect(projectFolderOf(path.join(project, 'project.json'))).toBe(project);
  expect(projectFolderOf(path.join(project, 'other.json'))).toBeUndefined();
  expect(projectFolderOf(path.join(project, 'missing'))).toBeUndefined();
});

test('what is dropped is a project where it is marked as one, not where it is a model', async () => {
  const { parent, project } = await withProject();
  expect(droppedProjectOf(project)).toBe(project);
  expect(droppedProjectOf(path.join(project, 'project.json'))).toBe(project);
  expect(droppedProjectOf(path.join(project, 'other.json'))).toBeUndefined();
  expect(droppedProjectOf(parent)).toBeUndefined();
  writeFileSync(path.join(parent, 'recipe.yaml'), '');
  expect(droppedProjectOf(parent)).toBe(parent);
  writeFileSync(path.join(parent, 'config.json'), '{}');
  expect(droppedProjectOf(parent)).toBeUndefined();
});

describe('a command line', () => {
  test('names a project by a path from where it was typed', async () => {
    const { parent, project } = await withProject();
    const words = ['/usr/bin/mergewright', '--no-sandbox', 'my project'];
    expect(projectOfArguments(words, 1, parent)).toBe(project);
  });

  test('of a file manager holds an address', async () => {
    const { project } = await withProject();
    const words = ['mergewright', pathToFileURL(project).href];
    expect(projectOfArguments(words, 1, '/')).toBe(project);
    expect(projectOfArguments(['mergewright', 'file://host/share'], 1, '/')).toBeUndefined();
  });

  test('begins with the program, and in development the application', async () => {
    const { parent, project } = await withProject();
    expect(projectOfArguments([parent, parent], 2, '/')).toBeUndefined();
    expect(projectOfArguments([parent, parent, project], 2, '/')).toBe(project);
  });
});
