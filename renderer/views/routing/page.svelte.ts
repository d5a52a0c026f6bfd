/** What the page of one or two sources shows: the moment, the layer and the cell chosen, and all that follows of them. */
import { project } from '../../lib/project.svelte.ts';
import { leftOut } from './difference.ts';
import type { Shown } from './export.ts';
import { comparisonOf, findingOf, readingHelp } from './finding.ts';
import { frameDetail, framesOf, frameTitle, testFrame, type Source } from './frames.ts';
import { differenceAt, panelsAt, type Mode } from './panels.ts';
import { differenceScale, lambdaScale } from './scale.ts';
import type { Cell } from './words.ts';

export interface PageInput {
  readonly a: Source;
  /** What it is compared with. */
  readonly b: Source | undefined;
  readonly mode: Mode;
}

/** A cell of a heatmap, and which of the sources it belongs to. */
export interface ChosenCell {
  readonly cell: Cell;
  readonly source: 0 | 1;
}

export class Page {
  private readonly input: () => PageInput;
  /** Counted from the end: another source opens at the same moment, the adapted model. */
  private fromEnd = $state(0);
  private wantedLayer = $state<number | undefined>();
  chosen = $state.raw<ChosenCell | undefined>();

  readonly a = $derived.by(() => this.input().a);
  readonly b = $derived.by(() => this.input().b);
  readonly mode = $derived.by(() => this.input().mode);
  /** The two sources, when their difference is what is shown. */
  private readonly pair = $derived(
    this.b !== undefined && this.mode === 'difference' ? { a: this.a, b: this.b } : undefined,
  );
  readonly difference = $derived(this.pair !== undefined);
  readonly sources = $derived(this.b === undefined ? [this.a] : [this.a, this.b]);

  readonly frames = $derived(framesOf(this.sources));
  readonly at = $derived(Math.max(0, this.frames.length - 1 - this.fromEnd));
  readonly frame = $derived(this.frames[this.at] ?? testFrame);
  readonly frameTitle = $derived(frameTitle(this.frame));
  readonly frameDetail = $derived(frameDetail(this.frame, this.a.routing));

  readonly panels = $derived(panelsAt(this.a, this.b, this.mode, this.frame));
  readonly layers = $derived(Math.max(...this.panels.map((panel) => panel.axes.layers)));
  /** λ of images, which are no differences. */
  readonly lambdaScale = $derived(lambdaScale(this.sources));
  readonly scale = $derived.by(() => {
    const { pair } = this;
    if (pair === undefined) return this.lambdaScale;
    return differenceScale(this.frames.map((frame) => differenceAt(pair.a, pair.b, frame)));
  });
  // The last layer is where routing is the clearest, as a rule.
  readonly layer = $derived(Math.min(this.wantedLayer ?? this.layers - 1, this.layers - 1));

  /** Whose images stand behind the chosen cell. */
  readonly behind = $derived(
    this.chosen === undefined ? undefined : (this.sources[this.chosen.source] ?? this.a),
  );
  /** Whether the source behind the chosen cell has such a cell. */
  readonly known = $derived(
    this.chosen !== undefined &&
      this.behind?.routing.tasks.includes(this.chosen.cell.task) === true &&
      this.behind.routing.experts.includes(this.chosen.cell.expert) &&
      this.layer < this.behind.routing.layers,
  );

  readonly finding = $derived(
    this.b === undefined
      ? findingOf(this.a.routing, (task) => project.taskTitle(task))
      : comparisonOf(this.a, this.b),
  );
  readonly help = $derived(
    readingHelp(
      this.finding.kind,
      this.a.routing.lambda0,
      this.pair === undefined ? undefined : { a: this.pair.a.title, b: this.pair.b.title },
    ),
  );
  /** What the difference leaves out; undefined when nothing. */
  readonly omitted = $derived(
    this.pair === undefined ? undefined : leftOut(this.pair.a.routing, this.pair.b.routing),
  );
  /** What a saved file would hold. */
  readonly shown = $derived.by((): Shown => ({
    panels: this.panels,
    sources: this.sources,
    frame: this.frame,
    scale: this.scale,
    difference: this.difference,
    taskTitle: (task) => project.taskTitle(task),
  }));

  constructor(input: () => PageInput) {
    this.input = input;
  }

  moveTo(at: number): void {
    this.fromEnd = this.frames.length - 1 - at;
  }

  enlarge(layer: number): void {
    this.wantedLayer = Math.min(this.layers - 1, Math.max(0, layer));
  }
}
