/** Values by name, and all their combinations. */

export type Setting = string | number | boolean | readonly (string | number)[];
export type Settings = Readonly<Record<string, Setting>>;

/** Every combination of the values of a grid, the last name varying fastest; one without any for an empty grid. */
export function combinations(grid: Readonly<Record<string, readonly Setting[]>>): Settings[] {
  return Object.entries(grid).reduce<Settings[]>(
    (rows, [name, values]) =>
      rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value }))),
    [{}],
  );
}

/** What a combination is called: its values, fit for an id. */
export function labelOf(settings: Settings, separator: string): string {
  return Object.values(settings)
    .map((value) => String(value).replace(/[^A-Za-z0-9_.-]+/g, '_'))
    .join(separator);
}

/** `{"corruption.kind": "contrast"}` as `{corruption: {kind: "contrast"}}`. */
export function nested(settings: Settings): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(settings)) {
    const keys = path.split('.');
    const last = keys.pop() ?? path;
    let at = tree;
    for (const key of keys) at = (at[key] ??= {}) as Record<string, unknown>;
    at[last] = value;
  }
  return tree;
}
