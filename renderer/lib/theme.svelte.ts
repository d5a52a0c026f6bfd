/** Whether the system asks for dark colours and for little motion; what is drawn on a canvas needs to know. */
import { MediaQuery } from 'svelte/reactivity';

const dark = new MediaQuery('prefers-color-scheme: dark');
const still = new MediaQuery('prefers-reduced-motion: reduce');

export const theme = {
  get dark(): boolean {
    return dark.current;
  },
  get reducedMotion(): boolean {
    return still.current;
  },
};

/** The value of a token (`--text-2`) under the theme in use; reading it makes the caller follow the theme. */
export function token(name: `--${string}`): string {
  // Read so that whatever called is run again when the theme changes.
  void dark.current;
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
