/** How the numbers on the page were measured, and what a reader should not conclude from them. */
import { methodName, type Model, type TaskInfo } from './models.ts';

/** Methods that see unlabelled images, by what they are called; the others only read weights. */
const adaptive: Readonly<Record<string, string>> = {
  adamerging: 'AdaMerging',
  wemoe: 'WEMoE',
  e_wemoe: 'E-WEMoE',
  rank_wemoe: 'Rank-r WEMoE',
  twin_merging: 'Twin-Merging',
  surgery: 'Surgery',
};

/** Sentences, the most important first. */
export function footnotes(models: readonly Model[], tasks: readonly TaskInfo[]): string[] {
  const learned = models.filter((model) => Object.hasOwn(adaptive, methodName(model.result)));
  const seen = [...new Set(learned.map((model) => model.report.adaptationData))];
  const synthetic = tasks.filter((task) => task.synthetic).map((task) => task.title);
  const changed = tasks.filter((task) => task.images.length > 1).map((task) => task.title);
  const reductions = new Set(learned.flatMap(({ result }) => result.reduction?.evaluation ?? []));
  const told = models.filter(({ result }) => result.taskKnown === true);
  const engines = [...new Set(models.map(({ report: { engine } }) => engineText(engine)))];
  return [
    `Accuracy is top-1 on held-out test images with the frozen head of the known task (${imagesText(tasks)}).`,
    ...seen.map(
      (data) =>
        `${listText([...new Set(learned.map((model) => familyTitle(model)))])} adapted on ${data}. No label was used, but accuracy on images they have not seen may be lower.`,
    ),
    ...(told.length > 0
      ? [
          `Features of ${listText(told.map(({ title }) => title))} depend on the task of an image, which must be known in use: compare with merges whose features do not with care.`,
        ]
      : []),
    ...(reductions.has('batch-mean')
      ? ['Routing weights were averaged over each batch of one task when measuring.']
      : []),
    ...models
      .flatMap((model) => protocolNotes(model))
      .filter((note, i, all) => all.indexOf(note) === i),
    ...(synthetic.length > 0
      ? [`Drawn by a program instead of collected: ${listText(synthetic)}.`]
      : []),
    ...(changed.length > 0
      ? [
          `The chosen runs were measured on different test images of ${listText(changed)}: compare those columns with care.`,
        ]
      : []),
    ...(models.some((model) => model.individual === null)
      ? ['Runs without individual models have no normalized accuracy.']
      : []),
    `Measured with ${listText(engines)}.`,
  ];
}

/** What a model was measured on where it is not clean images of tasks that it saw. */
function protocolNotes({ title, runTitle, result, report }: Model): string[] {
  const unseen = report.taskDetails.filter((task) => task.unseen === true);
  const corrupted = report.taskDetails.flatMap((task) =>
    task.corruption === undefined
      ? []
      : [
          `${task.title} (${task.corruption.kind.replaceAll('_', ' ')}, severity ${task.corruption.severity})`,
        ],
  );
  const collapsed = [...new Set(result.collapses?.map(({ task }) => task))];
  return [
    ...(unseen.length > 0
      ? [
          `° Unseen in “${runTitle}”: ${listText(unseen.map((task) => task.title))} were only measured, and its averages are over the other tasks.`,
        ]
      : []),
    ...(corrupted.length > 0
      ? [`“${runTitle}” adapted to and was measured on corrupted images of ${listText(corrupted)}.`]
      : []),
    ...(report.mixed?.evaluation === true
      ? [`“${runTitle}” was measured in batches of mixed tasks.`]
      : []),
    ...(result.smallerCalls === undefined
      ? []
      : [
          `While ${title} adapted, the device ran out of memory: ${result.smallerCalls.to} of ${result.smallerCalls.from} tasks shared a call from step ${result.smallerCalls.step} on, which gives the same sum.`,
        ]),
    ...(result.smallerBatch === undefined
      ? []
      : [
          `While ${title} was measured, the device ran out of memory: ${result.smallerBatch.to} of ${result.smallerBatch.from} images shared a call, which gives the same results.`,
        ]),
    ...(collapsed.length > 0
      ? [
          `While ${title} adapted, its predictions on ${listText(collapsed)} collapsed to few classes.`,
        ]
      : []),
  ];
}

function engineText(engine: Model['report']['engine']): string {
  const card = engine.adapter === undefined ? '' : ` on ${engine.adapter.name}`;
  return `${engine.title}${card} (${engine.device}, ${engine.precision})`;
}

function familyTitle(model: Model): string {
  return adaptive[methodName(model.result)] ?? model.title;
}

function imagesText(tasks: readonly TaskInfo[]): string {
  const counts = tasks.flatMap((task) => task.images);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const number = (value: number) => value.toLocaleString('en');
  return least === most
    ? `${number(least)} images of each task`
    : `${number(least)} to ${number(most)} images of each task`;
}

/** "a", "a and b", "a, b and c". */
export function listText(items: readonly string[]): string {
  if (items.length < 2) return items[0] ?? '';
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1) ?? ''}`;
}
