/** Moved: linear algebra in main/engine uses it too. */
export * from '../../lib/wasm.ts';
