/** Lets a worker thread run a TypeScript module as it is; what is shipped starts bundles instead. */
import { workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
await import(workerData.module);
