import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    passWithNoTests: true,
    reporters: ['default', './build/tally-reporter.ts'],
    coverage: { provider: 'v8', include: ['main/**/*.ts'], reportsDirectory: 'coverage' },
    projects: [
      {
        extends: true,
        test: { name: 'fast', include: ['test/{unit,golden,laws,fuzz}/**/*.test.ts'] },
      },
      {
        // The built program, in processes of its own: one file after another, so that each has the machine to itself.
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
