/** Which page of the help is open. */

export type HelpPage = 'start' | 'keyboard' | 'terms' | 'papers';

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
