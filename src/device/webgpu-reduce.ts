/**
 * Sum and Mean on the webgpu backend, in the shape of a tree (`../kernels/webgpu/sums.ts`). tfjs' own transposes the
 * tensor unless the reduced axes are the last ones, gives a long row to a single workgroup, and fails where there is
 * nothing to add up.
 *
 * Any axes: those that stand together are reduced at once, from the last to the first. Sums and means of nothing are 0,
 * as on tfjs' cpu backend. Other types than float32, and scalars, go to tfjs' own kernel.
 */
import { util, zeros } from "@tensorflow/tfjs"
import { webgpuEngineOf } from "../kernels/webgpu/engine.ts"
import { sumsOnWebgpu } from "../kernels/webgpu/sums.ts"
import type { Kernel } from "./webgpu-backend.ts"

interface Pass {
  readonly outer: number
  readonly reduced: number
  readonly inner: number
}

const productOf = (lengths: ReadonlyArray<number>): number => lengths.reduce((product, n) => product * n, 1)

/** What to reduce after what: each pass takes the last axes that are still to be reduced and stand together. */
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

export const sumKernel = reduceKernel(false)
export const meanKernel = reduceKernel(true)
