/** What the threads of a merge are given, in which order, and what is noted of it. */
import { bitsPerElement } from '../../checkpoints/dtype.ts';
import type { MergePlan, TensorPlan } from '../plan.ts';
import type { OutputLayout, Piece } from './output-layout.ts';
import { groupRequest, mergedTensors, passesOf, runPasses, wholeOf } from './passes.ts';
import type { Range } from './pieces.ts';
import type { ProgressMeter } from './progress.ts';
import type { LocatedTensor, WrittenPiece } from './protocol.ts';
import type { Sources } from './sources.ts';
import type { TaskRunner, ThreadPool } from './thread-pool.ts';
import type { Workspace } from './workspace.ts';

export interface Work {
  readonly plan: MergePlan;
  readonly layout: OutputLayout;
  readonly workspace: Workspace;
  readonly pathOf: (shard: number) => string;
  readonly sources: Sources;
  readonly meter: ProgressMeter;
  readonly pool: ThreadPool;
}

/** Stored bytes of all sources of a tensor, for one of its values. */
function widthOf({ checkpoints }: MergePlan, tensor: TensorPlan): number {
  const sources =
    tensor.kind === 'merge'
      ? [...tensor.experts, ...(tensor.base === undefined ? [] : [tensor.base])]
      : [tensor.from];
  const bits = sources.map(({ checkpoint, tensor: name }) => {
    const dtype = checkpoints[checkpoint]?.tensors.get(name)?.dtype;
    return dtype === undefined ? 0 : bitsPerElement(dtype);
  });
  return bits.reduce((sum, each) => sum + each, 0) / 8;
}

/** Of a tensor that is copied, ranges count bytes. */
function bytesRead(plan: MergePlan, tensor: TensorPlan, { begin, end }: Range): number {
  return (end - begin) * (tensor.kind === 'copy' ? 1 : widthOf(plan, tensor));
}

/** Everything to be read and written, in all passes. */
export function bytesToMove(plan: MergePlan, { pieces, totalBytes }: OutputLayout): number {
  const merged = new Set<TensorPlan>(mergedTensors(plan));
  const passes = passesOf(plan).length;
  return pieces.reduce((sum, { plan: tensor, range }) => {
    const times = merged.has(tensor) ? passes + 1 : 1;
    return sum + times * bytesRead(plan, tensor, range);
  }, totalBytes);
}

/** Finds out what the method must know of all tensors, unless an earlier merge did. */
export async function preparePasses({
  plan,
  workspace,
  sources,
  meter,
  pool,
}: Work): Promise<void> {
  const passes = passesOf(plan).length;
  if (passes === 0) return;
  const { earlier, journal } = workspace;
  if (earlier?.prepared !== undefined) {
    for (const tensor of mergedTensors(plan)) {
      meter.skip(passes * bytesRead(plan, tensor, wholeOf(tensor)));
    }
    await pool.all('prepare', { prepared: earlier.prepared.value });
    return;
  }
  const prepared = await runPasses(
    plan,
    pool,
    sources,
    (tensor, range) => meter.advance(tensor.name, bytesRead(plan, tensor, range)),
    (tensor, range) => meter.skip(bytesRead(plan, tensor, range)),
  );
  journal.prepared(prepared);
}

/** Makes every piece; `done` hears of each, in any order. */
export async function mergePieces(
  work: Work,
  done: (index: number, piece: WrittenPiece) => void,
): Promise<void> {
  const { plan, layout, workspace, sources, meter, pool } = work;
  const kept = await checkEarlierPieces(work, done);
  const remaining = [...layout.pieces.entries()].filter(([index]) => !kept.has(index));
  const uses = new Map<TensorPlan, number>();
  for (const [, piece] of remaining) uses.set(piece.plan, (uses.get(piece.plan) ?? 0) + 1);
  await pool.each(remaining, async ([index, piece], run) => {
    const written = await sources.with(piece.plan, uses.get(piece.plan) ?? 1, (located) =>
      makePiece(work, piece, located, run),
    );
    workspace.journal.piece(index, written.crc32);
    done(index, written);
    meter.advance(piece.plan.name, bytesRead(plan, piece.plan, piece.range) + piece.bytes);
  });
}

function makePiece(
  { pathOf }: Work,
  { plan, shape, range, shard, position }: Piece,
  located: readonly LocatedTensor[],
  run: TaskRunner,
): Promise<WrittenPiece> {
  const to = { file: pathOf(shard), position };
  switch (plan.kind) {
    case 'merge':
      return run('merge', { ...groupRequest(plan, located, range), dtype: plan.dtype, to });
    case 'cast':
      return run('cast', { from: located[0]!, shape, range, dtype: plan.dtype, to });
    case 'copy':
      return run('copy', { from: located[0]!, ...range, to });
  }
}

/** The pieces an earlier merge says it made, as far as they really are on the disk. */
async function checkEarlierPieces(
  { plan, layout, workspace, pathOf, meter, pool }: Work,
  done: (index: number, piece: WrittenPiece) => void,
): Promise<ReadonlySet<number>> {
  const kept = new Set<number>();
  await pool.each(workspace.earlier?.pieces ?? [], async ([index, crc32], run) => {
    const piece = layout.pieces[index];
    if (piece === undefined) return;
    const { position, bytes } = piece;
    if ((await run('checksum', { file: pathOf(piece.shard), position, bytes })) !== crc32) return;
    kept.add(index);
    meter.skip(bytesRead(plan, piece.plan, piece.range) + bytes);
    done(index, { bytes, crc32 });
  });
  return kept;
}
