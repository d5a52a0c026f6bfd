import type { MethodCard } from '../../main/api/merge.ts';

export interface PaperOfMethods {
  readonly paper: NonNullable<MethodCard['paper']>;
  /** Titles of the methods that are built after it. */
  readonly methods: readonly string[];
}

/** Every paper once, in the order of the methods. */
export function papersOf(methods: readonly MethodCard[]): PaperOfMethods[] {
  const papers = new Map<string, { paper: PaperOfMethods['paper']; methods: string[] }>();
  for (const { paper, title } of methods) {
    if (paper === null) continue;
    const known = papers.get(paper.url);
    if (known === undefined) papers.set(paper.url, { paper, methods: [title] });
    else known.methods.push(title);
  }
  return [...papers.values()];
}
