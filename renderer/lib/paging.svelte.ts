/** Which page of a long list is shown; another list begins with its first page. */
export class Paging {
  private readonly list: () => string;
  private turned = $state.raw({ list: '', offset: 0 });
  readonly limit: number;
  readonly offset = $derived.by(() => (this.turned.list === this.list() ? this.turned.offset : 0));

  /** `list` names what is paged through, with everything that makes it another list. */
  constructor(limit: number, list: () => string) {
    this.limit = limit;
    this.list = list;
  }

  turn(to: number): void {
    this.turned = { list: this.list(), offset: Math.max(0, to) };
  }
}
