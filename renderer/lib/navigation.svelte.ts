/** Which view is shown, and which run and method each view looks at. */

export const viewNames = ['project', 'merge', 'routing', 'compare', 'runs', 'export'] as const;
export type ViewName = (typeof viewNames)[number];

/** What a view looks at; a view takes the newest fitting run where nothing is chosen. */
export interface Selection {
  readonly run?: string | undefined;
  readonly method?: string | undefined;
}

let view = $state<ViewName>('project');
let selections = $state.raw<Partial<Record<ViewName, Selection>>>({});

export const navigation = {
  get view(): ViewName {
    return view;
  },

  /** Shows a view; with a selection, it looks at that. */
  go(target: ViewName, selection?: Selection): void {
    if (selection !== undefined) navigation.select(target, selection);
    view = target;
  },

  selection(of: ViewName): Selection {
    return selections[of] ?? {};
  },

  select(of: ViewName, selection: Selection): void {
    selections = { ...selections, [of]: selection };
  },

  /** Another project: what was chosen does not exist there. */
  reset(): void {
    selections = {};
  },
};
