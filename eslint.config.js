import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', '.cache/', 'runs/', 'assets/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  svelte.configs.recommended,
  {
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.svelte'],
      },
    },
    rules: {
      eqeqeq: 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],

      // A leading underscore says that a value is left out on purpose.
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],

      // Relaxed, each for a reason.
      // A number in a message needs no String(): error texts are full of sizes and shapes.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // noUncheckedIndexedAccess types every read of a typed array as possibly missing; in a kernel's loop the
      // bound has been checked, and a branch for each read would cost speed and hide the formula.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `() => stream.close()` as a callback reads better than the braces that this rule asks for.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      // Alphabets are spread into their letters, which are single code points.
      '@typescript-eslint/no-misused-spread': 'off',
      // Readers of binary files match control bytes.
      'no-control-regex': 'off',
      // An engine or a reader implements an asynchronous interface, also where it happens to have no wait inside.
      '@typescript-eslint/require-await': 'off',
      // `while (true)` with an exit inside is how a read loop is written.
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
    },
  },
  {
    files: ['main/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 300 }],
      // Standard output belongs to the one JSON document of --json; progress goes through the events of a run.
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Use a named export.' },
        {
          selector: 'MemberExpression[object.name="Math"][property.name="random"]',
          message: 'Take a seeded generator: the same recipe must give the same bytes.',
        },
      ],
    },
  },
  {
    files: ['main/**/*.ts', 'electron/**/*.ts'],
    rules: {
      // Connections are opened in main/hub alone, with undici; build/layers.cjs holds the modules.
      'no-restricted-globals': ['error', 'fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest'],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // `expect(spy.method)` reads a method without calling it.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: tseslint.parser, svelteConfig } },
    rules: {
      // svelte-check knows the names of a page; this rule would need them listed.
      'no-undef': 'off',
      // `let { value } = $props()`: a property that may be bound is not a constant.
      'prefer-const': 'off',
      'svelte/prefer-const': ['error', { destructuring: 'all' }],
    },
  },
  {
    files: ['renderer/**'],
    rules: {
      // Standard output of a window is read by nobody.
      'no-console': 'error',
    },
  },
  {
    // Configuration files are outside of tsconfig.json.
    files: ['**/*.js', '**/*.mjs', '**/*.cjs', '*.config.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: {
      parserOptions: { projectService: false },
      globals: {
        require: 'readonly',
        module: 'writable',
        process: 'readonly',
        URL: 'readonly',
        console: 'readonly',
      },
    },
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
);
