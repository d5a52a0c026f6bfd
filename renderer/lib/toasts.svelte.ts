/** Short messages at the edge of the window, some of which offer to undo what they tell of. */
import { toFailure, type Failure } from './errors.ts';

export interface Toast {
  readonly id: number;
  readonly kind: 'note' | 'good' | 'error';
  readonly text: string;
  readonly detail?: string | undefined;
  readonly action?: { readonly title: string; readonly run: () => void } | undefined;
}

let next = 0;
let items = $state.raw<readonly Toast[]>([]);

export const toasts = {
  get items(): readonly Toast[] {
    return items;
  },

  /** Shows a message; at most four stand at once. */
  show(toast: Omit<Toast, 'id'>): number {
    const id = next++;
    items = [...items.slice(-3), { ...toast, id }];
    return id;
  },

  dismiss(id: number): void {
    items = items.filter((item) => item.id !== id);
  },

  /** Shows what a call threw. */
  error(error: unknown): void {
    toasts.failure(toFailure(error));
  },

  failure(failure: Failure): void {
    const where = failure.where === undefined ? '' : ` (${failure.where})`;
    toasts.show({ kind: 'error', text: `${failure.what}${where}`, detail: failure.hint });
  },
};
