/** WGSL for programs with a workgroup for each row: sums over the row and over the rows of a column, each in one order. */

/** Invocations of a row's workgroup. */
export const ROW_WORKGROUP = 64
const HEADS = 8

/**
 * WGSL of `fn rowSums(own: vec2f, local: u32) -> vec2f`: both sums over the values of all invocations, which must call it together, any number of
 * times. It takes two steps of eight; a tree would take six, each with a barrier.
 */
export const ROW_SUMS = `var<workgroup> partial: array<vec2f, ${ROW_WORKGROUP}>;
var<workgroup> fewer: array<vec2f, ${HEADS}>;
fn rowSums(own: vec2f, local: u32) -> vec2f {
  partial[local] = own;
  workgroupBarrier();
  if (local < ${HEADS}u) {
    var some = partial[local];
    for (var i = local + ${HEADS}u; i < ${ROW_WORKGROUP}u; i += ${HEADS}u) { some += partial[i]; }
    fewer[local] = some;
  }
  // and no one writes \`partial\` again before it is read, nor \`fewer\` before the next first barrier
  workgroupBarrier();
  var total = fewer[0];
  for (var i = 1u; i < ${HEADS}u; i++) { total += fewer[i]; }
  return total;
}`

/** Returns a loop over an invocation's positions of a row; adjacent invocations read adjacent values. */
export const overRow = (lines: string): string =>
  `for (var column = local; column < words.n; column += ${ROW_WORKGROUP}u) {
    let i = start + column;
    ${lines}
  }`

/** Terms that are added up before they join the sum: fewer roundings beside a sum that has grown. */
const TERMS = 16

/** Returns WGSL for `var name: vec2f`, the sums of `term` over an invocation's positions. `lines` precede it at each position. */
export const sumOverRow = (name: string, lines: string, term: string): string =>
  `var ${name} = vec2f(0.0);
  for (var begin = local; begin < words.n; begin += ${TERMS * ROW_WORKGROUP}u) {
    var some = vec2f(0.0);
    let end = min(words.n, begin + ${TERMS * ROW_WORKGROUP}u);
    for (var column = begin; column < end; column += ${ROW_WORKGROUP}u) {
      let i = start + column;
      ${lines}
      some += ${term};
    }
    ${name} += some;
  }`

/** Columns and rows of a workgroup that sums over the rows of a matrix. */
const COLUMNS = 32
const LANES = 8

/** Invocations of a workgroup for columns. */
export const COLUMN_WORKGROUP = COLUMNS * LANES

/** Returns the number of workgroups for n columns. */
export const columnGroups = (n: number): number => Math.ceil(n / COLUMNS)

/** Returns the body of a program that sums `term` over the rows of each column: rows in eight lanes, whose sums are added in one order. */
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
