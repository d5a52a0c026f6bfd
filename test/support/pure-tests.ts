/**
 * Folders of tests that leave the process as they found it: no environment variable, no replaced module, no state in a
 * module of ours. They share processes, as loading what they test takes longer than most of them.
 */
export const pureTests = [
  'test/golden',
  'test/laws',
  ...['adaptation', 'checkpoints', 'evaluation', 'graph'].map((room) => `test/unit/${room}`),
  ...['models', 'renderer', 'routing', 'text'].map((room) => `test/unit/${room}`),
];
