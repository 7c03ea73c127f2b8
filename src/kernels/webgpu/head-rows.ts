/**
 * How programs that walk over rows of a head hold them (`attention-rows.ts`, `causal-attention-rows.ts`): an invocation
 * has its row in registers, as vec4; a row of more than 32 columns is split among invocations.
 */
import { PLACES } from "./attention-statistics.ts"

/** How the rows of a head lie over a workgroup: the key of a variant. */
export interface Layout {
  /** invocations that a row is split among */
  readonly parts: number
  /** vec4 of a row that one invocation holds */
  readonly quads: number
  /** invocations side by side, each with a row of its own */
  readonly lanes: number
  /** Do the parts fill their vec4? They are then read as such. */
  readonly full: boolean
}

/** dK and dV hold four rows of this many vec4: half of the registers that an invocation may have. */
const MOST_QUADS = 8
const MOST_INVOCATIONS = 256

export const layoutOf = (d: number): Layout => {
  const quads = Math.ceil(d / 4)
  const parts = Math.ceil(quads / MOST_QUADS)
  let lanes = 64
  while (lanes * parts > MOST_INVOCATIONS) lanes /= 2
  return { parts, quads: Math.ceil(quads / parts), lanes, full: d % (4 * parts) === 0 }
}

export const times = (n: number, text: (i: number) => string, between = "\n    "): string =>
  Array.from({ length: n }, (_, i) => text(i)).join(between)

/** of an invocation's part of a row, in elements of the buffers */
export const columnsOf = ({ quads, full }: Layout): number => (full ? quads : 4 * quads)

/** Σ over the vec4 of two rows: `a0 * b0 + a1 * b1 …`, in the same order in every program. */
export const dot = ({ quads }: Layout, a: string, b: string): string =>
  `dot(${times(quads, (i) => `${a}${i} * ${b}${i}`, " + ")}, vec4f(1.0))`

/** `fn read_x(at, quad, left)`: a vec4 of what begins at `at`, where `left` columns of the head are left. */
const reader = ({ full }: Layout, name: string): string =>
  full
    ? `fn read_${name}(at: u32, quad: u32, left: u32) -> vec4f { return ${name}[at + quad]; }`
    : `fn read_${name}(at: u32, quad: u32, left: u32) -> vec4f {
  let column = vec4u(0u, 1u, 2u, 3u) + 4u * quad;
  let values = vec4f(${PLACES.map((of) => `${name}[at + column.${of}]`).join(", ")});
  return select(vec4f(0.0), values, column < vec4u(left));
}`

const writer = ({ full }: Layout, name: string): string =>
  full
    ? `fn write_${name}(at: u32, quad: u32, left: u32, values: vec4f) { ${name}[at + quad] = values; }`
    : `fn write_${name}(at: u32, quad: u32, left: u32, values: vec4f) {
  let column = 4u * quad;
  ${PLACES.map((of, i) => `if (column + ${i}u < left) { ${name}[at + column + ${i}u] = values.${of}; }`).join("\n  ")}
}`

/** The functions that a program's body calls. */
export const functions = (layout: Layout, reads: ReadonlyArray<string>, writes: ReadonlyArray<string>): string =>
  [...reads.map((name) => reader(layout, name)), ...writes.map((name) => writer(layout, name)), whole(layout)].join(
    "\n"
  )

/** A row as variables `as0`, `as1`, … */
export const read = ({ quads }: Layout, name: string, at: string, as: string): string =>
  times(quads, (i) => `let ${as}${i} = read_${name}(${at}, ${i}u, left);`)

export const zeros = ({ quads }: Layout, name: string): string => times(quads, (i) => `var ${name}${i} = vec4f(0.0);`)

/** Writes the own row, or the invocation's part of it. */
export const write = ({ quads }: Layout, name: string, value: (quad: number) => string): string =>
  times(quads, (i) => `write_${name}(at, ${i}u, left, ${value(i)});`)

/** `fn whole(part, local)`: four sums over a row of which each invocation has a part. */
const whole = ({ parts, lanes }: Layout): string =>
  parts === 1
    ? "fn whole(part: vec4f, local: u32) -> vec4f { return part; }"
    : `var<workgroup> sums: array<vec4f, ${lanes * parts}>;
fn whole(part: vec4f, local: u32) -> vec4f {
  workgroupBarrier();
  sums[local] = part;
  workgroupBarrier();
  var sum = sums[local % ${lanes}u];
  for (var i = 1u; i < ${parts}u; i++) { sum += sums[local % ${lanes}u + i * ${lanes}u]; }
  return sum;
}`

/** Four numbers as a vec4; 0 where there are fewer. */
export const vec4 = (numbers: ReadonlyArray<string>): string =>
  `vec4f(${PLACES.map((_, i) => numbers[i] ?? "0.0").join(", ")})`
