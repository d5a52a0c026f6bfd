/** Which page of the help is open. */

export const helpPages = ['start', 'keyboard', 'terms', 'papers'] as const;
export type HelpPage = (typeof helpPages)[number];

let page = $state<HelpPage | undefined>();

export const help = {
  /** Undefined while the help is closed. */
  get page(): HelpPage | undefined {
    return page;
  },
  open(at: HelpPage): void {
    page = at;
  },
  close(): void {
    page = undefined;
  },
};
