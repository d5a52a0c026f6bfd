/**
 * The layers of the repository, held by dependency-cruiser: which room may import which.
 * Proved to bite by test/unit/layers.test.ts. CONTRIBUTING.md says how to read a complaint.
 */

/** Inside main/, from the bottom up. A room may import itself and what stands beside it here. */
const features = ['text', 'merging', 'adaptation', 'evaluation', 'routing'];
const foundations = ['models', 'engine', 'graph', 'checkpoints', 'data', 'lib'];
const rooms = {
  lib: [],
  checkpoints: ['lib'],
  data: ['lib'],
  hub: ['lib'],
  graph: ['lib'],
  engine: ['graph', 'lib'],
  models: ['graph', 'lib'],
  ...Object.fromEntries(features.map((room) => [room, foundations])),
  merging: [...foundations, 'hub'],
  exporting: [...features, ...foundations],
  runs: ['api', 'hub', 'exporting', ...features, ...foundations],
  // Puts together what comes from the network and what an engine needs.
  setup: ['hub', 'engine', 'lib'],
  host: ['api', 'setup', 'hub', 'runs', 'exporting', ...features, ...foundations],
};

/** Rooms that may be imported for their types alone: such an import is gone when the program runs. */
const typesOnly = { models: ['engine', 'checkpoints'] };

const roomRules = Object.entries(rooms).map(([room, allowed]) => ({
  name: `layer-${room}`,
  comment: `main/${room} may import: ${[room, ...allowed].join(', ')}`,
  severity: 'error',
  from: { path: `^main/${room}/` },
  to: {
    path: '^main/',
    pathNot: `^main/(${[room, ...allowed, ...(typesOnly[room] ?? [])].join('|')})/`,
  },
}));

const typesOnlyRules = Object.entries(typesOnly).map(([room, others]) => ({
  name: `layer-${room}-types`,
  comment: `main/${room} may import only types from: ${others.join(', ')}`,
  severity: 'error',
  from: { path: `^main/${room}/` },
  to: { path: `^main/(${others.join('|')})/`, dependencyTypesNot: ['type-only'] },
}));

/** A package, resolved or (where it is not installed) by its bare name. */
const packagePath = (names) => `(^|node_modules/)(${names})(/|$)`;

module.exports = {
  forbidden: [
    ...roomRules,
    ...typesOnlyRules,
    {
      name: 'layer-api',
      comment:
        'main/api is what window, shell and product share: schemas that know nothing but the error codes',
      severity: 'error',
      from: { path: '^main/api/' },
      to: { path: '^main/', pathNot: '^main/(api/|lib/error-codes\\.ts$)' },
    },
    {
      name: 'api-imports-no-node',
      comment: 'main/api runs in the window too: no Node modules',
      severity: 'error',
      from: { path: '^main/api/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'host-is-an-entry',
      comment: 'main/host is a program of its own: it is started, not imported',
      severity: 'error',
      from: { path: '^(main|electron|renderer|build)/', pathNot: '^main/host/' },
      to: { path: '^main/host/' },
    },
    {
      name: 'product-imports-no-shell',
      comment:
        'main/ runs under plain Node: it knows neither the shell nor the window nor how it is built',
      severity: 'error',
      from: { path: '^main/' },
      to: { path: '^(electron|renderer|build|test)/' },
    },
    {
      name: 'window-imports-only-api',
      comment: 'renderer/ knows the typed contract in main/api and nothing else of ours',
      severity: 'error',
      from: { path: '^renderer/' },
      to: { path: '^(main|electron|build|test)/', pathNot: '^main/api/' },
    },
    {
      name: 'window-imports-no-node',
      comment: 'renderer/ is a web page: no Node modules',
      severity: 'error',
      from: { path: '^renderer/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'shell-imports-no-window',
      comment: 'electron/ loads the built window; it does not import it',
      severity: 'error',
      from: { path: '^electron/' },
      to: { path: '^(renderer|build|test)/' },
    },
    {
      name: 'only-shell-imports-electron',
      comment: 'electron is imported under electron/ alone',
      severity: 'error',
      from: { pathNot: '^(electron|build/electron/default-app)/' },
      to: {
        path: '^electron$|^electron/(main|common|renderer|utility)$|node_modules/electron/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'only-onnx-engine-imports-onnxruntime',
      comment: 'everything else speaks to main/engine',
      severity: 'error',
      from: { path: '^(main|renderer|electron|build)/', pathNot: '^main/engine/onnx/' },
      to: { path: packagePath('onnxruntime-[a-z]+') },
    },
    {
      name: 'only-tfjs-engine-imports-tensorflow',
      comment: 'everything else speaks to main/engine',
      severity: 'error',
      from: { path: '^(main|renderer|electron|build)/', pathNot: '^main/engine/tfjs/' },
      to: { path: packagePath('@tensorflow') },
    },
    {
      name: 'only-hub-speaks-to-the-network',
      comment: 'connections are opened in main/hub alone, after a person asked for it',
      severity: 'error',
      from: { path: '^(main|electron)/', pathNot: '^main/hub/' },
      to: { path: `${packagePath('undici')}|^(node:)?(http|https|http2|net|tls|dgram|dns)(/|$)` },
    },
    {
      name: 'only-faces-download',
      comment:
        'the window’s host and the terminal download, and set engines up; other rooms look models up in the cache',
      severity: 'error',
      from: { path: '^main/', pathNot: '^main/(hub|setup|host|cli)/' },
      to: { path: '^main/hub/', pathNot: '^main/hub/(cache|local|name|presets|settings)\\.ts$' },
    },
    {
      name: 'adaptation-sees-no-labels',
      comment:
        'adaptation works on unlabelled inputs: no path of imports may lead to labelled data',
      severity: 'error',
      from: { path: '^main/adaptation/' },
      to: { path: '^main/data/(labelled|sources/)', reachable: true },
    },
    {
      name: 'no-cycles',
      comment:
        'two files that need each other are one file, or miss a third (types may refer to each other)',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'product-imports-no-development-package',
      comment:
        'what main/ or electron/ imports at run time belongs under dependencies in package.json',
      severity: 'error',
      from: { path: '^(main|electron)/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg'],
        dependencyTypesNot: ['type-only'],
        // The runtime brings the electron module itself.
        pathNot: 'node_modules/(@types|electron)/',
      },
    },
    {
      name: 'imports-resolve',
      comment: 'the imported file or package does not exist',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^electron(/|$)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|coverage|\\.cache|assets)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json', '.svelte'],
    },
  },
};
