/** What a person edits, with a way back from every edit. */
import { history } from './history.svelte.ts';

export class Edited<T> {
  value: T;
  /** Tells keys of edits apart from those of other things that are edited. */
  private readonly name: string;

  constructor(name: string, initial: T) {
    this.name = name;
    this.value = $state.raw(initial);
  }

  /** Edits with the same key that follow each other are one. */
  change(title: string, next: T, key?: string): void {
    const before = this.value;
    this.value = next;
    history.add({
      title,
      undo: () => void (this.value = before),
      redo: () => void (this.value = next),
      key: key === undefined ? undefined : `${this.name} ${key}`,
    });
  }
}
