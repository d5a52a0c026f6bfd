/** Fetches the Electron that runs the application from the sources, where it is not there, and says which one it is. */
import { findRuntime } from './runtime.ts';

console.log((await findRuntime()).title);
