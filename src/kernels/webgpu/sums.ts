/**
 * Sums in float32 on the GPU, in a fixed order and in the shape of a tree: no compensated sum, which a compiler may
 * fold away, and no number is the sum of many that went one by one into one accumulator.
 *
 *   x seen as [outer, reduced, inner]:   out[o, i] = Σ_r x[o, r, i] / divisor
 *
 * A workgroup is a table of lanes × columns. Its columns are sums (neighbours of `outer × inner`), the lanes of a
 * column take every lanes-th term each, in four accumulators, and then add up in pairs. Where there are more terms than
 * that, the workgroup's column is a part of a sum, and the parts, [outer, parts, inner], are summed likewise.
 */
import { type TensorInfo, util, zeros } from "@tensorflow/tfjs-core"
import { read, write } from "../declaration.ts"
import type { Kernel } from "./backend.ts"
import { groupsFor, type Span, type WebgpuEngine, webgpuEngineOf } from "./engine.ts"
import { program } from "./program.ts"

const WORKGROUP = 64
/** Terms of one lane at most. */
const TERMS = 64
/** At least, before another lane takes some: of columns, and of rows, where fewer lanes still read a line of memory. */
const FEW_TERMS = 4
const ROW_TERMS = 16
/** Columns that are read side by side, where there are so many: two sectors of memory. */
const COALESCED = 16

const sum = program({
  name: "Sum",
  buffers: { x: read("f32"), sums: write("f32") },
  words: {
    items: "u32",
    reduced: "u32",
    inner: "u32",
    parts: "u32",
    partLength: "u32",
    lanes: "u32",
    laneBits: "u32",
    columns: "u32",
    columnBits: "u32",
    lanesFirst: "u32",
    divisor: "f32"
  },
  workgroup: WORKGROUP,
  body: `var<workgroup> found: array<f32, ${WORKGROUP}>;
fn kernel(group: u32, local: u32) {
  // neighbouring invocations read neighbours in memory: of one sum where its terms lie together, else of many sums
  let lanesFirst = words.lanesFirst == 1u;
  let lane = select(local >> words.columnBits, local & (words.lanes - 1u), lanesFirst);
  let column = select(local & (words.columns - 1u), local >> words.laneBits, lanesFirst);
  let block = group / words.parts;
  let part = group - block * words.parts;
  let item = block * words.columns + column;
  let outer = item / words.inner;
  let place = item - outer * words.inner;
  let start = outer * words.reduced * words.inner + place;
  let first = part * words.partLength;
  let end = select(0u, min(words.reduced, first + words.partLength), item < words.items);
  let step = words.lanes;
  var total = vec4f(0.0);
  var r = first + lane;
  for (; r + 3u * step < end; r += 4u * step) {
    total += vec4f(
      x[start + r * words.inner],
      x[start + (r + step) * words.inner],
      x[start + (r + 2u * step) * words.inner],
      x[start + (r + 3u * step) * words.inner]
    );
  }
  for (; r < end; r += step) { total.x += x[start + r * words.inner]; }
  let at = lane * words.columns + column;
  found[at] = (total.x + total.y) + (total.z + total.w);
  for (var half = words.lanes / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) { found[at] += found[at + half * words.columns]; }
  }
  if (lane == 0u && item < words.items) {
    sums[(outer * words.parts + part) * words.inner + place] = found[at] / words.divisor;
  }
}`
})

/** Sums over one axis. */
export interface SumOf {
  readonly x: TensorInfo | Span
  readonly out: TensorInfo | Span
  readonly outer: number
  /** length of the axis, at least 1 */
  readonly reduced: number
  readonly inner: number
  /** divisor of every sum */
  readonly divisor: number
}

/** The power of two at or above n ≥ 1. */
const power = (n: number): number => 2 ** bitsOf(n)
const bitsOf = (n: number): number => Math.ceil(Math.log2(n))

/** Computes out[o, i] = Σ_r x[o, r, i] / divisor; no length may be 0. */
export const sumsOnWebgpu = (engine: WebgpuEngine, { x, out, outer, reduced, inner, divisor }: SumOf): void => {
  const items = outer * inner
  const lanesFirst = inner === 1
  const most = lanesFirst ? WORKGROUP : WORKGROUP / Math.min(COALESCED, power(inner))
  const lanes = Math.min(most, power(Math.ceil(reduced / (lanesFirst ? ROW_TERMS : FEW_TERMS))))
  const columns = WORKGROUP / lanes
  const parts = Math.ceil(reduced / (lanes * TERMS))
  const partLength = Math.ceil(reduced / parts)
  const table = { lanes, laneBits: bitsOf(lanes), columns, columnBits: bitsOf(columns), lanesFirst: lanesFirst ? 1 : 0 }
  const words = { items, reduced, inner, parts, partLength, ...table }
  const groups = groupsFor(items, columns) * parts
  if (parts === 1) {
    engine.run(sum, { x, sums: out }, { ...words, divisor }, groups)
    return
  }
  const partSums = engine.scratch(outer * parts * inner)
  engine.run(sum, { x, sums: partSums }, { ...words, divisor: 1 }, groups)
  sumsOnWebgpu(engine, { x: partSums, out, outer, reduced: parts, inner, divisor })
  engine.release(partSums)
}

// Sum and Mean on the webgpu backend, in the shape of a tree (`../kernels/webgpu/sums.ts`). tfjs' own transposes the
// tensor unless the reduced axes are the last ones, gives a long row to a single workgroup, and fails where there is
// nothing to add up.
//
// Any axes: adjacent ones are reduced at once, from the last to the first. Sums and means of nothing are 0,
// as on tfjs' cpu backend. Other types than float32, and scalars, go to tfjs' own kernel.

interface Pass {
  readonly outer: number
  readonly reduced: number
  readonly inner: number
}

const productOf = (lengths: ReadonlyArray<number>): number => lengths.reduce((product, n) => product * n, 1)

/** What to reduce after what: each pass takes the last axes that are still to be reduced and are adjacent. */
const passesOf = (shape: ReadonlyArray<number>, axes: ReadonlyArray<number>): ReadonlyArray<Pass> => {
  const passes: Array<Pass> = []
  let end = shape.length
  let inner = 1
  while (end > 0) {
    let first = end
    while (first > 0 && (axes.includes(first - 1) || shape[first - 1] === 1)) first--
    const reduced = productOf(shape.slice(first, end))
    if (reduced > 1) passes.push({ outer: productOf(shape.slice(0, first)), reduced, inner })
    if (first > 0) inner *= shape[first - 1]!
    end = first - 1
  }
  // axes of length 1 alone: a copy
  return passes.length > 0 ? passes : [{ outer: 1, reduced: 1, inner }]
}

const reduceKernel =
  (mean: boolean) =>
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = webgpuEngineOf(call.backend)
    const x = call.inputs["x"]!
    if (engine === undefined || x.dtype !== "float32" || x.shape.length === 0) return stock(call)
    const axes = util.parseAxisParam(call.attrs["axis"] as number | Array<number>, x.shape)
    const keepDims = call.attrs["keepDims"] === true
    const shape = x.shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]))
    if (x.shape.includes(0)) return zeros(shape)
    const out = engine.output(shape)
    const passes = passesOf(x.shape, axes)
    const terms = productOf(axes.map((axis) => x.shape[axis]!))
    const between = passes.slice(0, -1).map(({ outer, inner }) => engine.scratch(outer * inner))
    for (const [i, pass] of passes.entries()) {
      const last = i === passes.length - 1
      const from = i === 0 ? x : between[i - 1]!
      sumsOnWebgpu(engine, { ...pass, x: from, out: last ? out : between[i]!, divisor: mean && last ? terms : 1 })
    }
    for (const span of between) engine.release(span)
    return out
  }

/** Replacement of Sum. */
export const sumKernel = reduceKernel(false)
/** Replacement of Mean. */
export const meanKernel = reduceKernel(true)
