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

/** `_dark` is there to be read: whatever asks for a token is run again when the theme changes. */
function valueOf(name: string, _dark: boolean): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The value of a token (`--text-2`) under the theme in use; reading it makes the caller follow the theme. */
export function token(name: `--${string}`): string {
  return valueOf(name, dark.current);
}
