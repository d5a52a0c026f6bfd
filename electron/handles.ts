/** Paths a person chose, each behind a token: the window names tokens, never paths. */
import { randomBytes } from 'node:crypto';

export interface Handles {
  /** The token of a path; the same path keeps its token. */
  give(path: string): string;
  /** The path behind a token that was given out; undefined for any other. */
  path(handle: string): string | undefined;
  /** A token that another process made for a path. */
  learn(handle: string, path: string): void;
  /** All tokens with their paths, for a compute host that starts anew. */
  all(): readonly (readonly [handle: string, path: string])[];
}

/** An empty store; `granted` is called before a new token is handed out. */
export function createHandles(granted: (handle: string, path: string) => void): Handles {
  const paths = new Map<string, string>();
  const tokens = new Map<string, string>();
  return {
    give(path) {
      const known = tokens.get(path);
      if (known !== undefined) return known;
      const handle = randomBytes(16).toString('hex');
      paths.set(handle, path);
      tokens.set(path, handle);
      granted(handle, path);
      return handle;
    },
    path: (handle) => paths.get(handle),
    learn(handle, path) {
      // A token given out here is not taken over by another path.
      if (!paths.has(handle)) paths.set(handle, path);
    },
    all: () => [...tokens].map(([path, handle]) => [handle, path] as const),
  };
}
