/** WGSL for programs with a workgroup for each row: sums over the row, in the order of a tree. */

/** Invocations of a row's workgroup. */
export const ROW_WORKGROUP = 64

/** `fn rowSums(own: vec2f, local: u32) -> vec2f`: both sums of what all invocations have. For all invocations together, any number of times. */
export const ROW_SUMS = `var<workgroup> partial: array<vec2f, ${ROW_WORKGROUP}>;
fn rowSums(own: vec2f, local: u32) -> vec2f {
  partial[local] = own;
  workgroupBarrier();
  for (var half = ${ROW_WORKGROUP / 2}u; half > 0u; half /= 2u) {
    if (local < half) { partial[local] += partial[local + half]; }
    workgroupBarrier();
  }
  let total = partial[0];
  workgroupBarrier(); // nobody begins another sum before all have this one
  return total;
}`

/** The places of a row that an invocation has: neighbours read neighbouring numbers. */
export const overRow = (lines: string): string =>
  `for (var column = local; column < words.n; column += ${ROW_WORKGROUP}u) {
    let i = start + column;
    ${lines}
  }`

/** Columns and rows of a workgroup that sums over the rows of a matrix. */
const COLUMNS = 32
const LANES = 8

export const COLUMN_WORKGROUP = COLUMNS * LANES

export const columnGroups = (n: number): number => Math.ceil(n / COLUMNS)

/** The body of a program that sums `term` over the rows of each column: rows in eight lanes, whose sums meet in one order. */
export const columnSums = (term: string, out: string): string => `var<workgroup> lanes: array<f32, ${COLUMN_WORKGROUP}>;
fn kernel(group: u32, local: u32) {
  let column = group * ${COLUMNS}u + local % ${COLUMNS}u;
  var own = 0.0;
  if (column < words.n) {
    for (var row = local / ${COLUMNS}u; row < words.rows; row += ${LANES}u) {
      let i = row * words.n + column;
      own += ${term};
    }
  }
  lanes[local] = own;
  workgroupBarrier();
  if (local < ${COLUMNS}u && column < words.n) {
    for (var lane = 1u; lane < ${LANES}u; lane++) { own += lanes[local + lane * ${COLUMNS}u]; }
    ${out}[column] = own;
  }
}`
