/** NVIDIA's kernel module under Linux tells its version; other systems do not. */
import { readFileSync } from 'node:fs';

export function nvidiaVersion(): string | undefined {
  try {
    const text = readFileSync('/proc/driver/nvidia/version', 'utf8');
    return /Kernel Module(?: for \S+)?\s+(\S+)/.exec(text)?.[1];
  } catch {
    return undefined;
  }
}
