/** Finding a method among many. */

interface Named {
  readonly id: string;
  readonly title: string;
  readonly family: string;
  readonly summary: string;
}

/** Methods by family, in their order; those in which every word of the search is found. */
export function byFamily<Method extends Named>(
  methods: readonly Method[],
  search: string,
): { readonly family: string; readonly methods: readonly Method[] }[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = methods.filter(({ id, title, family, summary }) => {
    const text = `${id} ${title} ${family} ${summary}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const families = [...new Set(found.map(({ family }) => family))];
  return families.map((family) => ({
    family,
    methods: found.filter((method) => method.family === family),
  }));
}
