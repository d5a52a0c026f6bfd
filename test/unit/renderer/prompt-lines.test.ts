import { describe, expect, it } from 'vitest';
import { linesOf, promptProblems } from '../../../renderer/views/project/prompt-lines.ts';

describe('class names as text', () => {
  it('are its lines that say something', () => {
    expect(linesOf(' cat\n\n  traffic sign \r\ncafé\n')).toEqual(['cat', 'traffic sign', 'café']);
    expect(linesOf('  \n')).toEqual([]);
  });

  it('are as many as the images have classes, and every template has a place for them', () => {
    const prompts = { classes: ['cat', 'dog'], templates: ['a {}.', '{}'] };
    expect(promptProblems(prompts, 2)).toEqual({});
    expect(promptProblems(prompts, undefined)).toEqual({});
    expect(promptProblems(prompts, 3).classes).toBe('2 names for images of 3 classes.');
    expect(promptProblems({ ...prompts, classes: [] }, 3).classes).toContain('at least one');
    expect(promptProblems({ ...prompts, templates: [] }, 2).templates).toContain('at least one');
    expect(promptProblems({ ...prompts, templates: ['{}', 'a cat'] }, 2).templates).toBe(
      'Line 2 has no {} for the class name.',
    );
  });
});
