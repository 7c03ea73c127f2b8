/**
 * WGSL for programs over all factor pairs at once: the record of a pair, and a workgroup's tile of what is [r, in] or [out, r] of
 * it. The first is cut by columns, the second by rows, all r of them in a tile. An invocation makes eight sums at a time, so
 * that a number it reads is used eight times; its neighbours read neighbours.
 */
import { recordsOf } from "./records.ts"

/**
 * Records of pairs: sizes; where a pair's tensors begin in the arenas of factors (gradients and directions have the same layout) and of
 * whitenings; where Q and R (b and a) and N and Y begin. For its tiles: the first group, the columns or rows per tile, and the number of tiles of
 * columns. For the tiles of N and Y: the first group, `1 << SHIFT` rows and columns each, and their number in each direction. SCALE: the bits of
 * s.
 */
export const pairRecords = recordsOf([
  "R",
  "INPUTS",
  "OUTPUTS",
  "SCALE",
  "A",
  "B",
  "TB",
  "TBGRAD",
  "TAT",
  "TAGRAD",
  "S",
  "TALL",
  "FLAT",
  "SMALL",
  "FIRST",
  "WIDTH_SHIFT",
  "FLATS",
  "FIRST_SPLIT",
  "SHIFT",
  "TILES"
])

/** Values of a tile in workgroup memory: r for each of its rows or columns. */
export const TILE = 2048
/** Invocations per workgroup. */
export const WORKGROUP = 256
/** Largest rank whose tile has eight rows. */
export const MOST_RANK = TILE / 8

const eight = (of: (q: number) => string): ReadonlyArray<string> =>
  [0, 4].map((first) => `vec4f(${[0, 1, 2, 3].map((q) => of(first + q)).join(", ")})`)

/** Returns WGSL for `name0`, `name1` = Σ_k one(k)·many(q, k), q = 0…7; k < r. */
export const eightSums = (name: string, one: string, many: (q: number) => string): string => `
    var ${name}0 = vec4f(0.0);
    var ${name}1 = vec4f(0.0);
    for (var k = 0u; k < r; k++) {
      let one = ${one};
      ${eight(many)
        .map((four, i) => `${name}${i} += one * ${four};`)
        .join("\n      ")}
    }`

/** Row or column q of eight, the last again where there are fewer. */
const PLACES = Array.from({ length: 8 }, (_, q) => `let p${q} = min(first + ${q}u, last);`).join(" ")

/** Returns a statement for each q = 0…7. */
export const each = (statement: (q: number, sum: (name: string) => string) => string): string =>
  Array.from({ length: 8 }, (_, q) => statement(q, (name) => `${name}${q >> 2}[${q & 3}]`)).join("\n    ")

/** WGSL that opens a tile: for each column j (i of [r, in]) eight rows at a time, or for each row eight columns. */
export const OPENED = `
  let record = recordOf(group, FIRST);
  let r = table[record + R];
  let inputs = table[record + INPUTS];
  let outputs = table[record + OUTPUTS];
  let widthShift = table[record + WIDTH_SHIFT];
  let tall = table[record + TALL];
  let flat = table[record + FLAT];
  let tile = group - table[record + FIRST];
  let flats = table[record + FLATS];`

/** Returns a loop over a tile of columns of [r, in]: `i` is a column, `p0`…`p7` are rows from `first`, of which `last` is the last. */
export const overColumns = (body: string): string => `{
  let width = 1u << widthShift;
  let blocks = (r + 7u) / 8u;
  for (var u = local; u < width * blocks; u += ${WORKGROUP}u) {
    let within = u & (width - 1u);
    let i = tile * width + within;
    let first = (u >> widthShift) * 8u;
    let last = r - 1u;
    if (i >= inputs) { continue; }
    ${PLACES}${body}
  }
  }`

/** Returns a loop over a tile of rows of [out, r]: `j` is a column, `p0`…`p7` are rows. */
export const overRows = (body: string): string => `{
  let width = 1u << widthShift;
  let start = (tile - flats) * width;
  for (var u = local; u < (width / 8u) * r; u += ${WORKGROUP}u) {
    let j = u % r;
    let first = start + (u / r) * 8u;
    let last = outputs - 1u;
    if (first >= outputs) { continue; }
    ${PLACES}${body}
  }
  }`

/** WGSL that runs `columns` for each tile of columns and `rows` for each tile of rows. */
export const COLUMNS_THEN_ROWS = `fn kernel(group: u32, local: u32) {${OPENED}
  if (tile < flats) {
    columns(record, r, inputs, widthShift, flat, tile, local);
  } else {
    rows(record, r, outputs, widthShift, tall, tile, flats, local);
  }
}`
