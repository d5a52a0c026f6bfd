/** How the window is built: renderer/ → dist/desktop/renderer, served by the shell under app://mergewright/. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import path from 'node:path';
import { defineConfig } from 'vite';
import { root } from './bundles.ts';

export default defineConfig({
  root: path.join(root, 'renderer'),
  plugins: [svelte({ configFile: path.join(root, 'svelte.config.js') })],
  build: {
    outDir: path.join(root, 'dist/desktop/renderer'),
    emptyOutDir: true,
    target: 'chrome130',
    // The content security policy allows neither inline scripts nor data: addresses.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
});
