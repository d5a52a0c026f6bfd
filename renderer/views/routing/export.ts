/** What is shown at a frame, ready to be laid out or listed. */
import type { DivergingScale } from '../../lib/colours.ts';
import { toCsv } from './csv.ts';
import { layOut, type Figure } from './figure.ts';
import { frameDetail, frameTitle, momentAt, type Frame, type Source } from './frames.ts';
import type { Panel } from './panels.ts';

export interface Shown {
  readonly panels: readonly Panel[];
  readonly sources: readonly Source[];
  readonly frame: Frame;
  readonly scale: DivergingScale;
  readonly difference: boolean;
  readonly taskTitle: (task: string) => string;
}

/** The figure of all layers. */
export function figureOf(shown: Shown): Figure {
  const { panels, sources, frame, difference } = shown;
  const methods = [...new Set(sources.map((source) => source.routing.title))].join(' and ');
  const runs = [...new Set(sources.map((source) => source.runTitle))].join(' and ');
  const detail = sources[0] === undefined ? '' : frameDetail(frame, sources[0].routing);
  return layOut({
    title: difference
      ? `Difference of routing weights: ${panels[0]?.title ?? ''}`
      : `Routing weights of ${methods}`,
    subtitle: `Run “${runs}” · ${frameTitle(frame)}: ${detail}`,
    blocks: panels,
    scale: shown.scale,
    centreName: difference ? 'equal' : 'λ₀',
    scaleName: difference ? 'difference of mean λ' : 'mean λ',
    taskTitle: shown.taskTitle,
  });
}

/** λ of all sources in sight; of a difference, what it was made of. */
export function csvOf({ sources, frame }: Shown): string {
  return toCsv(
    sources.map((source) => ({
      run: source.run,
      method: source.method,
      routing: source.routing,
      moment: momentAt(source, frame),
    })),
  );
}

/** Words for the name of the file. */
export function nameOf({ sources, frame, difference }: Shown): string[] {
  return [
    'routing',
    ...(difference ? ['difference'] : []),
    ...sources.map(({ run, method }) => `${run} ${method}`),
    ...(frame.kind === 'batch' ? [`step ${frame.step}`] : []),
  ];
}
