/**
 * Products straight from their operands, without tiles in workgroup memory. An invocation sums `rows` × 4 numbers of C.
 * The invocations of a workgroup lie along C's columns and, where C is small and the inner dimension long, along that
 * too: each of `slices` takes every `slices`-th block of four, and their sums meet in workgroup memory, in a fixed
 * tree.
 *
 * The thin products of LoRA are of this kind: h = xAᵀ has few columns, dA = dhᵀx few rows, and both sum over hundreds.
 * On a GPU that is emulated on a CPU all are, where workgroup memory is memory like any other and a barrier costs more
 * than what it saves.
 */
import {
  declarationOf,
  type Form,
  finished,
  functionsOf,
  lines,
  programsOf,
  rangeOf,
  sums,
  whereOf,
  writeRow
} from "./product-blocks.ts"
import { program } from "./program.ts"

/** Sizes of a program that reads its operands without staging them. */
export interface Direct {
  /** rows of C per invocation: a multiple of four, or 1 if C has one row and is not `transposed` */
  readonly rows: number
  /** columns of C per workgroup, in units of four */
  readonly columns: number
  /** number of slices of the inner dimension; a power of two */
  readonly slices: number
  /**
   * whether Cᵀ [n, m] is written instead of C [m, n]: a product with few columns is Cᵀ = Bᵀ·A, with few rows. Without bias, second pair, or a
   * matrix to add.
   */
  readonly transposed: boolean
}

const sum = (form: Direct & Form, mark: "" | "2"): string => {
  const { rows, slices } = form
  const [first, end] = rangeOf(form, mark)
  return `
  for (var k = ${first} + 4u * slice; k < ${end}; k += ${4 * slices}u) {
    let q = b${mark}Block(bAt, k, j);
${lines(Math.ceil(rows / 4), (four) => `    let p${four} = a${mark}Block(aAt, k, i + ${4 * four}u);`)}
${lines(rows, (r) => {
  const plus = (sum: string, k: number) => `p${Math.floor(r / 4)}[${k}][${r % 4}] * q[${k}] + (${sum})`
  return `    c${r} = ${[0, 1, 2, 3].reduce(plus, `c${r}`)};`
})}
  }`
}

const meeting = ({ rows, columns, slices }: Direct): string => {
  if (slices === 1) return ""
  const at = (r: number, plus = "") => `partial[${r * columns * slices}u + local${plus}]`
  return `
${lines(rows, (r) => `  ${at(r)} = c${r};`)}
  for (var half = ${slices / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (slice < half) {
${lines(rows, (r) => `      ${at(r)} += ${at(r, ` + half * ${columns}u`)};`)}
    }
  }
  if (slice > 0u) { return; }
${lines(rows, (r) => `  c${r} = ${at(r)};`)}`
}

const writing = (form: Direct & Form): string => {
  const { rows, transposed } = form
  if (!transposed) return lines(rows, (r) => writeRow(form, r, `i + ${r}u`))
  return lines(rows / 4, (q) => {
    const four = [0, 1, 2, 3].map((r) => finished(form, 4 * q + r, ""))
    return `  let t${q} = transpose(mat4x4f(${four}));
${lines(4, (r) => `  put(j + ${r}u, i + ${4 * q}u, words.n, words.m, cAt, t${q}[${r}]);`)}`
  })
}

/** Creates the program of a variant. */
export const directProgram = programsOf((form: Direct & Form) => {
  const { rows, columns, slices } = form
  return program({
    ...declarationOf(form),
    workgroup: columns * slices,
    body: `${functionsOf(form)}
${slices === 1 ? "" : `var<workgroup> partial: array<vec4f, ${rows * columns * slices}>;`}
fn kernel(group: u32, local: u32) {
  let across = (words.n + ${4 * columns - 1}u) / ${4 * columns}u;
  let down = (words.m + ${rows - 1}u) / ${rows}u;
${whereOf(form, "across * down")}
  let i = ${rows}u * (tile / across);
  let j = 4u * (${columns}u * (tile % across) + local % ${columns}u);
  let slice = local / ${columns}u;
${lines(rows, (r) => `  var c${r} = vec4f();`)}
${sums(form, rows, (mark) => sum(form, mark))}
${meeting(form)}
${writing(form)}
}`
  })
})

/** Returns the number of workgroups for C [m, n]. */
export const directGroups = ({ rows, columns }: Direct, m: number, n: number): number =>
  Math.ceil(m / rows) * Math.ceil(n / (4 * columns))
