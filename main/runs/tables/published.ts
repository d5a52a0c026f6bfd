/** Numbers of papers, to stand beside the rows they belong to: facts, with the table each comes from. */
import { z } from 'zod';
import tables from '../../../assets/published/tables.json' with { type: 'json' };

const percent = z.number().min(0).max(100);

const row = z.strictObject({
  /** The entry of an experiment that it belongs to. */
  method: z.string(),
  /** Keys of the recipe, or parameters, that it was measured with; "none" where the recipe says nothing. */
  at: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  /** In the order of the table's columns; empty where only the average was published. */
  cells: z.array(percent.nullable()),
  /** As printed. */
  average: percent,
  unseen: percent.optional(),
  note: z.string().optional(),
});

const table = z.strictObject({
  id: z.string(),
  paper: z.string(),
  arxiv: z.string(),
  /** "table 2". */
  table: z.string(),
  /** What it was measured on: "CLIP ViT-B/32". */
  models: z.string(),
  /** The base model's name on the Hub. */
  base: z.string(),
  /** Task ids. */
  columns: z.array(z.string()),
  /** Those that the average leaves out. */
  unseenColumns: z.array(z.string()).default([]),
  rows: z.array(row).min(1),
});
export type PublishedTable = z.output<typeof table>;
export type PublishedRow = PublishedTable['rows'][number];

export const publishedTables: readonly PublishedTable[] = z.array(table).parse(tables);

/** Whether a table was measured on the models whose base a recipe writes so. */
export function isOfBase(table: PublishedTable, base: string): boolean {
  return base.includes(table.base.split('/').at(-1) ?? table.base);
}

/** Of the tables `ids` those of these models, or else those of CLIP ViT-B/32, which papers report most. */
export function publishedFor(ids: readonly string[], base: string): PublishedTable[] {
  const listed = publishedTables.filter(({ id }) => ids.includes(id));
  const own = listed.filter((table) => isOfBase(table, base));
  return own.length > 0 ? own : listed.filter((table) => table.base === usualBase);
}

const usualBase = 'openai/clip-vit-base-patch32';
