/** README.md of an export: what the model is, how good it is, how it is used, where it comes from. */
import { opset } from '../engine/onnx/proto.ts';
import { isHalf } from '../lib/tensor.ts';
import { featureSize } from '../models/vision-config.ts';
import type { ExportedFile } from './folder.ts';
import { licenceNote } from './onnx.ts';
import type { Prepared } from './prepare.ts';
import type { ExportedTask, ExportSource } from './source.ts';
import { usage } from './usage.ts';

export interface CardOptions {
  readonly format: 'safetensors' | 'onnx';
  /** In words: "float32", … */
  readonly precision: string;
  /** The files written so far. */
  readonly files: readonly ExportedFile[];
}

/** The model card as Markdown. It holds no time and no path, so equal exports have equal cards. */
export function modelCard(prepared: Prepared, options: CardOptions): string {
  const { source } = prepared;
  const sections = [
    frontMatter(options),
    `# ${line(source.title)}`,
    summary(prepared),
    '## Tasks and accuracy',
    accuracyTable(source.tasks),
    ...accuracyNotes(source, options),
    '## Method',
    method(prepared),
    '## Use',
    preprocessing(source),
    usage(prepared, options.format),
    '## Classes',
    source.tasks.length === 0 ? 'No heads.' : source.tasks.map(classes).join('\n'),
    '## Provenance',
    provenance(source),
    '## Files',
    fileTable(options.files),
    '## Licences',
    [licenceNote, ...licences(source)].join('\n\n'),
  ];
  return `${sections.join('\n\n')}\n`;
}

function frontMatter({ format }: CardOptions): string {
  const tags = ['model-merging', 'clip', 'image-classification', format];
  return ['---', 'tags:', ...tags.map((tag) => `  - ${tag}`), '---'].join('\n');
}

/** Text from elsewhere on one line, with nothing that ends a table cell. */
function line(text: string): string {
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;').trim();
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]) => `| ${cells.map(line).join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}

function summary({ source, kind, layers, experts, constantRouting }: Prepared): string {
  const { config } = source.model;
  const what =
    `A CLIP vision encoder (${config.layerCount} blocks, width ${config.hiddenSize}, patch ${config.patchSize}, ` +
    `${config.imageSize}×${config.imageSize} pixels, ${featureSize(config)} features) that was merged from ` +
    `${source.experts.length} fine-tuned models of one base by ${line(source.method.title)}, with the frozen heads of ${source.tasks.length} tasks.`;
  if (kind === 'static') {
    const fold =
      source.averagedOver === undefined
        ? ''
        : ` It is a static fold: the routing weights of the dynamic model were averaged over ${line(source.averagedOver)} and baked in, so the routers are gone.`;
    const modules =
      source.model.byTask === undefined
        ? ''
        : ' Each of the merged tasks has a small module on the features (Representation Surgery). **Which task an image is of must be known:** its module and its head go together.';
    return `${what} It is one ordinary set of weights.${fold}${modules}`;
  }
  const routers =
    constantRouting === undefined
      ? `a router in each of ${layers} blocks chooses, for every image on its own, how much of the ${experts} experts its MLP takes.`
      : `in each of ${layers} blocks learned constants say how much of the ${experts} experts the MLP takes, the same for every image.`;
  return `${what} It is dynamic: ${routers}`;
}

const percent = (share: number | undefined) =>
  share === undefined ? 'not measured' : `${(share * 100).toFixed(2)} %`;

const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function normalized({ accuracy, individualAccuracy }: ExportedTask): number | undefined {
  if (accuracy === undefined || !individualAccuracy) return undefined;
  return accuracy / individualAccuracy;
}

/** The mean when every value is there. */
function average(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === values.length && known.length > 0 ? mean(known) : undefined;
}

function accuracyTable(tasks: readonly ExportedTask[]): string {
  if (tasks.length === 0) return 'This export has no heads and no measured accuracy.';
  const row = (name: string, of: (pick: Measure) => number | undefined, rest: string[]) => [
    name,
    ...picks.map((pick) => percent(of(pick))),
    ...rest,
  ];
  const rows = tasks.map((task) =>
    row(
      `${task.title} (\`${task.head.task}\`)${task.synthetic ? ', synthetic' : ''}`,
      (pick) => pick(task),
      [String(task.classNames.length), task.images === undefined ? '' : String(task.images)],
    ),
  );
  rows.push(row('average', (pick) => average(tasks.map(pick)), ['', '']));
  return table(
    ['task', 'this model', 'individual model', 'normalized', 'classes', 'test images'],
    rows,
  );
}

type Measure = (task: ExportedTask) => number | undefined;
const picks: readonly Measure[] = [
  ({ accuracy }) => accuracy,
  ({ individualAccuracy }) => individualAccuracy,
  normalized,
];

function accuracyNotes(source: ExportSource, { precision }: CardOptions): string[] {
  const notes = [
    'Accuracy is top-1 on held-out test images with the head of the known task; "individual model" is the model fine-tuned for that one task, "normalized" the ratio of the two.',
  ];
  if (source.adaptationData !== undefined) {
    notes.push(
      `**The method was adapted on unlabelled images: ${line(source.adaptationData)}.** No label was used, but where these are the test images themselves, accuracy on images it has not seen may be lower.`,
    );
  }
  if (source.measuredWith === 'batch-mean') {
    notes.push(
      'The accuracy was measured with routing weights averaged over batches of one task (batch-mean). This export routes every image on its own, which may give other predictions.',
    );
  }
  if ([...source.model.constants.values()].some(isHalf)) {
    notes.push(
      'The run kept frozen weights in float16 and computed in float32: the weights here are those rounded ones.',
    );
  }
  if (precision !== 'float32') {
    notes.push(`The accuracy was measured in float32; these weights were rounded to ${precision}.`);
  }
  return notes;
}

function method({ source }: Prepared): string {
  const parameters = Object.entries(source.method.parameters)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [`\`${name}\``, String(value)]);
  const intro = `${line(source.method.title)} (\`${line(source.method.id)}\`). The whole recipe is in \`recipe.yaml\`.`;
  return parameters.length === 0
    ? intro
    : `${intro}\n\n${table(['parameter', 'value'], parameters)}`;
}

function preprocessing({ model, normalisation: { mean: means, deviation } }: ExportSource): string {
  const { imageSize } = model.config;
  return (
    `Images: RGB, resized to ${imageSize}×${imageSize}, scaled to [0, 1], minus mean [${means.join(', ')}], ` +
    `divided by std [${deviation.join(', ')}], channels first, float32. ` +
    'Logits of a task: its head applied to the features divided by their length.'
  );
}

function classes({ head, title, classNames, licence }: ExportedTask): string {
  const file = `\`${head.task}\`, ${line(title)}`;
  const data = licence === undefined ? '' : ` Data: ${line(licence)}.`;
  return `- ${file}: ${classNames.map(line).join(', ')}.${data}`;
}

function provenance({ base, experts, recipe }: ExportSource): string {
  const rows = [
    ['base model', base.name, base.sha256 ?? 'not recorded'],
    ...experts.map(({ name, sha256 }) => ['fine-tuned model', name, sha256 ?? 'not recorded']),
    ['recipe', 'recipe.yaml', recipe.sha256],
  ];
  return table(['role', 'name', 'sha-256'], rows);
}

function licences({ licences: stated = [] }: ExportSource): string[] {
  return stated.map((text) => `- ${line(text)}`);
}

function fileTable(files: readonly ExportedFile[]): string {
  const rows = files.map(({ name, bytes, sha256 }) => [`\`${name}\``, String(bytes), sha256]);
  const note =
    'Before this folder was moved into place, every file was read back and hashed, and the model in it was run and compared with the merged model it was made from.';
  return `${table(['file', 'bytes', 'sha-256'], rows)}\n\n${note} ONNX files use opset ${opset}.`;
}
