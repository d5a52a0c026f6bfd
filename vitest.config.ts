import { defineConfig } from 'vitest/config';
import { pureTests } from './test/support/pure-tests.ts';

const pure = pureTests.map((folder) => `${folder}/**/*.test.ts`);
/** Computes on every processor for minutes. */
const wholeDemo = 'test/e2e/demo.test.ts';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // No test asks the real Hub; those that ask a stand-in say so.
    env: { HF_HUB_OFFLINE: '1' },
    pool: 'forks',
    maxWorkers: 2,
    setupFiles: ['test/support/each-file.ts'],
    reporters: ['default', './build/tally-reporter.ts'],
    coverage: { provider: 'v8', include: ['main/**/*.ts'], reportsDirectory: 'coverage' },
    projects: [
      {
        extends: true,
        test: { name: 'fast', include: ['test/{unit,fuzz}/**/*.test.ts'], exclude: pure },
      },
      { extends: true, test: { name: 'pure', include: pure, isolate: false } },
      ...[
        // The built program and the built application, in processes of their own: one file after another.
        { name: 'program', include: ['test/e2e/*.test.ts'], exclude: [wholeDemo] },
        { name: 'demo', include: [wholeDemo] },
        // The application's own are in its processes: what starts it is loaded once for all files.
        { name: 'app', include: ['test/e2e/app/*.test.ts'], isolate: false },
      ].map((project) => ({
        extends: true as const,
        test: { ...project, fileParallelism: false, testTimeout: 600_000, hookTimeout: 600_000 },
      })),
    ],
  },
});
