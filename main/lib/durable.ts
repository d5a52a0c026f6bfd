/** Atomic writing of files and folders, and durable JSON lines: the one import for all rooms. */
export {
  replaceFileDurably,
  requireSpace,
  writeError,
  writeFileDurably,
  writing,
} from './durable-file.ts';
export type { DurableFile } from './durable-file.ts';
export {
  atFinalPlace,
  folderPlace,
  publishFolderDurably,
  replaceFolderDurably,
} from './durable-folder.ts';
export { appendLine, readJsonLines } from './json-lines.ts';
export {
  abandonedMerges,
  isAbandoned,
  isTemporaryName,
  releaseTemporary,
  sweepStaleTemporaries,
  temporaryName,
} from './temporaries.ts';
