/** The security checklist, gone through in one application under attack. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { confinement } from './security-confinement.ts';
import { isolation } from './security-isolation.ts';
import { policy } from './security-policy.ts';
import { launchUnderAttack, type Attacked } from './under-attack.ts';

let attacked: Attacked;

beforeAll(async () => {
  attacked = await launchUnderAttack();
});

afterAll(() => attacked.close());

// What looks at the page as it is comes before what tries to change it.
describe.each([
  ['isolation', isolation],
  ['content security policy', policy],
  ['confinement', confinement],
])('%s', { timeout: 20_000 }, (_name, suite) => {
  suite(() => attacked);
});

test('nothing of all this reached the network', () => {
  expect(attacked.reached()).toBe(0);
});
