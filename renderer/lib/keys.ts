/** Keys as they are printed on a keyboard, from the accelerators of the menu. */
import { acceleratorOf, type MenuEntry } from '../../main/api/menu.ts';

const names: Readonly<Record<string, { readonly mac: string; readonly other: string }>> = {
  CmdOrCtrl: { mac: '⌘', other: 'Ctrl' },
  Cmd: { mac: '⌘', other: 'Cmd' },
  Ctrl: { mac: '⌃', other: 'Ctrl' },
  Shift: { mac: '⇧', other: 'Shift' },
  Plus: { mac: '+', other: '+' },
  '-': { mac: '−', other: '−' },
};

/** The tests run where there is no navigator. */
function onMac(): boolean {
  const { navigator } = globalThis as { readonly navigator?: { readonly userAgent: string } };
  return navigator?.userAgent.includes('Mac') ?? false;
}

/** The keys of a menu entry, to be pressed together; none when it has no keys. */
export function keysOf(entry: MenuEntry, isMac = onMac()): string[] {
  const accelerator = acceleratorOf(entry, isMac);
  if (accelerator === undefined) return [];
  return accelerator
    .split('+')
    .map((key) => (Object.hasOwn(names, key) ? names[key]![isMac ? 'mac' : 'other'] : key));
}

/** The keys in a line of text: "Ctrl+1". */
export function keysText(entry: MenuEntry): string {
  return keysOf(entry).join('+');
}
