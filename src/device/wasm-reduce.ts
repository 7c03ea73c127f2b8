/**
 * Sum and Mean on the wasm backend with float64 accumulators. tfjs adds up in float32 one by one, which loses digits with the
 * length (3·10⁶ × 0.1 gives 290 775), and first transposes the tensor unless the reduced axes are the last ones.
 *
 *   x seen as [outer, reduced, inner]:   out[o, i] = Σ_r x[o, r, i]   (Mean: divided by the number of terms)
 *
 * Where nothing is reduced over, sums and means are 0, as on tfjs' cpu backend; its wasm backend leaves there what lay in memory. Reduced
 * axes that do not stand together and other types than float32 go to tfjs' own kernel.
 */
import { util } from "@tensorflow/tfjs"
import { wasmEngineOf } from "../kernels/wasm/engine.ts"
import { sumColumns, sumRows } from "../kernels/wasm/sums.ts"
import type { Kernel } from "./wasm-backend.ts"

interface Reduction {
  readonly shape: ReadonlyArray<number>
  readonly outer: number
  readonly reduced: number
  readonly inner: number
}

/** The three-axis view of a reduction, or undefined where the reduced axes do not stand together. */
const reductionOf = (
  shape: Array<number>,
  axis: number | ReadonlyArray<number>,
  keepDims: boolean
): Reduction | undefined => {
  const axes = [...util.parseAxisParam(axis as number | Array<number>, shape)].sort((a, b) => a - b)
  const [first, last] = [axes[0]!, axes.at(-1)!]
  const out = shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]))
  // no terms: which axes they are missing from does not matter
  if (shape.includes(0)) return { shape: out, outer: util.sizeFromShape(out), reduced: 0, inner: 1 }
  if (last - first !== axes.length - 1) return undefined
  const [outer, reduced, inner] = [shape.slice(0, first), shape.slice(first, last + 1), shape.slice(last + 1)].map(
    util.sizeFromShape
  ) as [number, number, number]
  return { shape: out, outer, reduced, inner }
}

const reduceKernel =
  (mean: boolean) =>
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = wasmEngineOf(call.backend)
    const x = call.inputs["x"]!
    const view = reductionOf(x.shape, call.attrs["axis"] as number, call.attrs["keepDims"] === true)
    if (engine === undefined || view === undefined || x.dtype !== "float32" || x.shape.length === 0) return stock(call)
    const { shape, outer, reduced, inner } = view
    const out = engine.output(shape)
    const sum = { x, out, outer, reduced, inner, divisor: mean ? Math.max(1, reduced) : 1 }
    if (outer * inner === 0) return out
    if (inner === 1) sumRows(engine, sum)
    else sumColumns(engine, sum)
    return out
  }

export const sumKernel = reduceKernel(false)
export const meanKernel = reduceKernel(true)
