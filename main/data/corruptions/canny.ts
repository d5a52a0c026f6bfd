/** Edges of an 8-bit plane (Canny 1986), with the integer arithmetic of OpenCV: Sobel, |dx| + |dy|. */

/** tan 22.5° in 15 bits. */
const tangent = 13573;

/** Marks the pixels of edges: ridges of the gradient above `high`, and those above `low` that join them. */
export function cannyEdges(
  plane: Uint8Array,
  size: number,
  { low, high }: { low: number; high: number },
): boolean[] {
  const { dx, dy } = sobel(plane, size);
  const magnitude = dx.map((value, i) => Math.abs(value) + Math.abs(dy[i] ?? 0));
  const at = (y: number, x: number) =>
    y < 0 || y >= size || x < 0 || x >= size ? 0 : (magnitude[y * size + x] ?? 0);
  const ridge = magnitude.map((value, i) => {
    if (value <= low) return 0;
    const [y, x] = [Math.floor(i / size), i % size];
    return isRidge(value, dx[i] ?? 0, dy[i] ?? 0, (row, column) => at(y + row, x + column)) ? 1 : 0;
  });
  const edge = new Array<boolean>(size * size).fill(false);
  const open = [...ridge.keys()].filter((i) => ridge[i] === 1 && (magnitude[i] ?? 0) > high);
  for (const i of open) edge[i] = true;
  for (let i = open.pop(); i !== undefined; i = open.pop()) {
    const [y, x] = [Math.floor(i / size), i % size];
    for (let row = Math.max(0, y - 1); row <= Math.min(size - 1, y + 1); row++) {
      for (let column = Math.max(0, x - 1); column <= Math.min(size - 1, x + 1); column++) {
        const next = row * size + column;
        if (ridge[next] !== 1 || edge[next] === true) continue;
        edge[next] = true;
        open.push(next);
      }
    }
  }
  return edge;
}

/** Whether no neighbour along the gradient is steeper; of equal ones the later loses, diagonally both. */
function isRidge(
  value: number,
  dx: number,
  dy: number,
  near: (row: number, column: number) => number,
): boolean {
  const [x, y] = [Math.abs(dx), Math.abs(dy) * 2 ** 15];
  const steep = x * tangent;
  if (y < steep) return value > near(0, -1) && value >= near(0, 1);
  if (y > steep + x * 2 ** 16) return value > near(-1, 0) && value >= near(1, 0);
  const side = dx < 0 !== dy < 0 ? -1 : 1;
  return value > near(-1, -side) && value > near(1, side);
}

/** Derivatives by 3 × 3 pixels, edges repeated. */
function sobel(plane: Uint8Array, size: number): { dx: Int32Array; dy: Int32Array } {
  const clamp = (at: number) => Math.min(size - 1, Math.max(0, at));
  const value = (y: number, x: number) => plane[clamp(y) * size + clamp(x)] ?? 0;
  const [dx, dy] = [new Int32Array(size * size), new Int32Array(size * size)];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const column = (at: number) => value(y - 1, at) + 2 * value(y, at) + value(y + 1, at);
      const row = (at: number) => value(at, x - 1) + 2 * value(at, x) + value(at, x + 1);
      dx[y * size + x] = column(x + 1) - column(x - 1);
      dy[y * size + x] = row(y + 1) - row(y - 1);
    }
  }
  return { dx, dy };
}
