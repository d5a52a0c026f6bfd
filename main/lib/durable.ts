/** Atomic writing of files and folders, and durable JSON lines: the one import for all rooms. */
export { replaceFileDurably, writeFileDurably } from './durable-file.ts';
export type { DurableFile } from './durable-file.ts';
export { replaceFolderDurably } from './durable-folder.ts';
export { appendLine, readJsonLines } from './json-lines.ts';
export { isTemporaryName, sweepStaleTemporaries } from './temporaries.ts';
