/** What is drawn of each layer: one source, two beside each other, or their difference. */
import type { Axes } from './difference.ts';
import { commonAxes, subtract } from './difference.ts';
import { ownShares } from './finding.ts';
import { momentAt, type Frame, type Lambda, type Source } from './frames.ts';
import { cellValue, differenceValue, type Cell } from './words.ts';

/** How two sources are compared. */
export type Mode = 'beside' | 'difference';

/** One matrix of each layer. */
export interface Panel {
  /** Stands over its matrices where there are two. */
  readonly title: string;
  readonly axes: Axes;
  readonly lambda: Lambda;
  /** Share of images that go to their own expert first, by layer; null where it is not known. */
  readonly shares: readonly number[] | null;
  /** What a cell says. */
  readonly describe: (cell: Cell, layer: number) => string;
  /** Whose images stand behind the cells. */
  readonly source: Source;
}

function panelOf(source: Source, frame: Frame): Panel {
  const moment = momentAt(source, frame);
  return {
    title: source.title,
    axes: source.routing,
    lambda: moment.lambda,
    // First choices are counted over images, of which a snapshot keeps only the mean.
    shares: moment.step === 'test' ? ownShares(source.routing) : null,
    describe: (cell, layer) => cellValue(cell, layer, { routing: source.routing, moment }),
    source,
  };
}

/** The difference of two sources at a frame. */
export function differenceAt(a: Source, b: Source, frame: Frame): Lambda {
  return subtract(
    { lambda: momentAt(a, frame).lambda, routing: a.routing },
    { lambda: momentAt(b, frame).lambda, routing: b.routing },
  );
}

function differencePanel(a: Source, b: Source, frame: Frame): Panel {
  const axes = commonAxes(a.routing, b.routing);
  const lambda = differenceAt(a, b, frame);
  const [left, right] = [momentAt(a, frame), momentAt(b, frame)];
  const lambdaOf = (source: Source, all: Lambda, cell: Cell, layer: number): number | undefined =>
    all[layer]?.[source.routing.tasks.indexOf(cell.task)]?.[
      source.routing.experts.indexOf(cell.expert)
    ];
  return {
    title: `${a.title} − ${b.title}`,
    axes,
    lambda,
    shares: null,
    describe: (cell, layer) =>
      differenceValue(
        lambda[layer]?.[axes.tasks.indexOf(cell.task)]?.[axes.experts.indexOf(cell.expert)],
        { title: a.title, lambda: lambdaOf(a, left.lambda, cell, layer) },
        { title: b.title, lambda: lambdaOf(b, right.lambda, cell, layer) },
      ),
    source: a,
  };
}

/** What is drawn at a frame. */
export function panelsAt(a: Source, b: Source | undefined, mode: Mode, frame: Frame): Panel[] {
  if (b === undefined) return [panelOf(a, frame)];
  if (mode === 'difference') return [differencePanel(a, b, frame)];
  return [panelOf(a, frame), panelOf(b, frame)];
}
