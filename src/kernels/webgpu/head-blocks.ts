/**
 * How programs for a GPU that is emulated on a CPU walk over rows of a head (`attention-blocks.ts`,
 * `causal-attention-blocks.ts`). An invocation takes four rows of a head and four of the other side at a time: their
 * 4 × 4 scores, column by column, and then each column of the output, to which it adds in place. There are half as many
 * reads as multiplications, for reads are what costs there, to run and to compile. The text has few of them, and is the
 * same for every head.
 *
 * In a kernel, `row` is the first of an invocation's rows and `first` where row 0 of its head begins; `other` and
 * `others` are the same of the other side.
 */
import { PLACES } from "./attention-statistics.ts"

/** Invocations of a workgroup, as many as a CPU has lanes; four rows each. */
export const LANES = 8
const ROWS = [0, 1, 2, 3] as const

export const perRow = (text: (row: number) => string, between = "\n    "): string => ROWS.map(text).join(between)

/** Rows of a sequence, and numbers from one to the next, in WGSL. */
export interface Side {
  readonly length: string
  readonly width: string
}

/** `fn x_at(first, row, column)`: a number of a head that begins at `first`; 0 of a row that does not exist. */
export const reader = (name: string, { length, width }: Side): string =>
  `fn ${name}_at(first: u32, row: u32, column: u32) -> f32 {
  return select(0.0, ${name}[first + min(row, ${length} - 1u) * ${width} + column], row < ${length});
}`

/** `fn x_column(first, row, column)`: of four rows */
export const columnReader = (name: string, side: Side): string =>
  `${reader(name, side)}
fn ${name}_column(first: u32, row: u32, column: u32) -> vec4f {
  return vec4f(${perRow((i) => `${name}_at(first, row + ${i}u, column)`, ", ")});
}`

/** `${name}0`, …: for each own row the products with rows `other`, … of the other side: S or dP */
export const scores = (name: string, own: string, other: string): string =>
  `${perRow((i) => `var ${name}${i} = vec4f(0.0);`)}
    for (var column = 0u; column < words.d; column++) {
      let a = ${own}_column(first, row, column);
      let b = ${other}_column(others, other, column);
      ${perRow((i) => `${name}${i} += a.${PLACES[i]} * b;`)}
    }`

/** For own rows that exist: `line` of where a number is in the output. */
const overOwn = ({ length, width }: Side, line: (at: string, row: number) => string, before = ""): string =>
  `for (var column = 0u; column < words.d; column++) {
      ${before}let at = first + row * ${width} + column;
      ${perRow((i) => `if (row + ${i}u < ${length}) { ${line(`at + ${i}u * ${width}`, i)} }`)}
    }`

export const zeroed = (out: string, side: Side): string => overOwn(side, (at) => `${out}[${at}] = 0.0;`)

/**
 * Adds to `out` in place: Σ of weights `${name}0`, … and rows `other`, … of the other side. `before`: what becomes of
 * what is there
 */
export const weighted = (
  out: string,
  name: string,
  values: string,
  side: Side,
  before = (there: string, _: number) => there
): string =>
  overOwn(
    side,
    (at, i) => `let to = ${at}; ${out}[to] = dot(${name}${i}, b) + ${before(`${out}[to]`, i)};`,
    `let b = ${values}_column(others, other, column);
      `
  )
