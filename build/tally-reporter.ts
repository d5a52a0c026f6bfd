/**
 * A vitest reporter: says why each skipped test was skipped, and writes the counts where build/check.sh reads them
 * (the file named by TALLY_FILE: `passed failed skipped`).
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    let skipped = 0;
    for (const module of modules) {
      failed += module.errors().length; // a file that could not be loaded
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed += 1;
        else if (result.state === 'failed') failed += 1;
        else {
          skipped += 1;
          const reason = result.state === 'skipped' ? result.note : undefined;
          console.log(
            `skipped: ${module.relativeModuleId} > ${test.fullName}: ${reason ?? 'no reason given'}`,
          );
        }
      }
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
    }
    const file = process.env['TALLY_FILE'];
    if (file !== undefined) writeFileSync(file, `${passed} ${failed} ${skipped}\n`);
  }
}
