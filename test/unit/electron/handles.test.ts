import { expect, test, vi } from 'vitest';
import { createHandles } from '../../../electron/handles.ts';

test('a path gets an unguessable token, and keeps it', () => {
  const granted = vi.fn();
  const handles = createHandles(granted);
  const token = handles.give('/models/base');
  expect(token).toMatch(/^[0-9a-f]{32}$/);
  expect(handles.give('/models/base')).toBe(token);
  expect(handles.give('/models/other')).not.toBe(token);
  expect(handles.path(token)).toBe('/models/base');
  expect(granted.mock.calls).toEqual([
    [token, '/models/base'],
    [expect.any(String), '/models/other'],
  ]);
});

test('the token is granted before it is handed out', () => {
  const order: string[] = [];
  const handles = createHandles(() => order.push('granted'));
  handles.give('/a');
  order.push('given');
  expect(order).toEqual(['granted', 'given']);
});

test('unknown tokens and paths used as tokens stand for nothing', () => {
  const handles = createHandles(() => undefined);
  handles.give('/a');
  for (const wrong of ['0'.repeat(32), '/a', '', '__proto__', 'constructor']) {
    expect(handles.path(wrong)).toBeUndefined();
  }
});

test('places of the compute host are known, but cannot take over a token', () => {
  const granted = vi.fn();
  const handles = createHandles(granted);
  const token = handles.give('/a');
  handles.learn('f'.repeat(32), '/exports/one');
  handles.learn(token, '/etc/passwd');
  expect(handles.path('f'.repeat(32))).toBe('/exports/one');
  expect(handles.path(token)).toBe('/a');
  // What the host named itself is not told to it again.
  expect(handles.all()).toEqual([[token, '/a']]);
  expect(granted).toHaveBeenCalledTimes(1);
});
