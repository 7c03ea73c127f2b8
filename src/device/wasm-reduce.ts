/**
 * Sum and Mean on the wasm backend with float64 accumulators. tfjs adds up in float32 one by one, which loses digits with the
 * length (3·10⁶ × 0.1 gives 290 775), and first transposes the tensor unless the reduced axes are the last ones.
 *
 *   x seen as [outer, reduced, inner]:   out[o, i] = Σ_r x[o, r, i]   (Mean: divided by the number of terms)
 *
 * Reduced axes that do not stand together, other types than float32 and empty tensors go to tfjs' own kernel.
 */
import { util } from "@tensorflow/tfjs"
import type { Kernel } from "./wasm-backend.ts"
import { floats } from "./wasm-transpose.ts"

/** Sums over the last axis of [outer, reduced]. Four accumulators, because one would wait for its own addition. */
const sumRows = (x: Float32Array, out: Float32Array, reduced: number, divisor: number): void => {
  const whole = reduced - (reduced % 4)
  for (let o = 0, at = 0; o < out.length; o++) {
    let [a, b, c, d] = [0, 0, 0, 0]
    const [end, last] = [at + whole, at + reduced]
    for (; at < end; at += 4) {
      a += x[at]!
      b += x[at + 1]!
      c += x[at + 2]!
      d += x[at + 3]!
    }
    for (; at < last; at++) a += x[at]!
    out[o] = (a + b + (c + d)) / divisor
  }
}

/** Sums over the middle axis of [outer, reduced, inner]. */
const sumMiddle = (x: Float32Array, out: Float32Array, reduced: number, inner: number, divisor: number): void => {
  const total = new Float64Array(inner)
  for (let o = 0, at = 0; o < out.length; o += inner) {
    total.fill(0)
    for (let r = 0; r < reduced; r++) {
      for (let i = 0; i < inner; i++) total[i]! += x[at++]!
    }
    for (let i = 0; i < inner; i++) out[o + i] = total[i]! / divisor
  }
}

interface Reduction {
  readonly shape: ReadonlyArray<number>
  readonly reduced: number
  readonly inner: number
}

/** The three-axis view of a reduction, or undefined where the reduced axes do not stand together. */
const reductionOf = (shape: Array<number>, axis: number | ReadonlyArray<number>, keepDims: boolean) => {
  const axes = [...util.parseAxisParam(axis as number | Array<number>, shape)].sort((a, b) => a - b)
  const [first, last] = [axes[0]!, axes.at(-1)!]
  if (last - first !== axes.length - 1) return undefined
  const kept = keepDims ? axes.map(() => 1) : []
  return {
    shape: [...shape.slice(0, first), ...kept, ...shape.slice(last + 1)],
    reduced: util.sizeFromShape(shape.slice(first, last + 1)),
    inner: util.sizeFromShape(shape.slice(last + 1))
  } satisfies Reduction
}

const reduceKernel =
  (mean: boolean) =>
  (stock: Kernel): Kernel =>
  (call) => {
    const { backend } = call
    const x = call.inputs["x"]!
    const size = util.sizeFromShape(x.shape)
    const view = reductionOf(x.shape, call.attrs["axis"] as number, call.attrs["keepDims"] === true)
    if (x.dtype !== "float32" || size === 0 || x.shape.length === 0 || view === undefined) return stock(call)
    const out = backend.makeOutput(view.shape, "float32")
    const offset = (id: object) => backend.dataIdMap.get(id).memoryOffset
    const from = floats(backend, offset(x.dataId), size)
    const to = floats(backend, offset(out.dataId), size / view.reduced)
    const divisor = mean ? view.reduced : 1
    if (view.inner === 1) sumRows(from, to, view.reduced, divisor)
    else sumMiddle(from, to, view.reduced, view.inner, divisor)
    return out
  }

export const sumKernel = reduceKernel(false)
export const meanKernel = reduceKernel(true)
