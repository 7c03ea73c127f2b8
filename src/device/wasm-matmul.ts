/**
 * tfjs' matrix product on the wasm engine, for every transposition and batch. tfjs' own takes XNNPACK only for one untransposed pair
 * of matrices; a transposed or batched product runs through a scalar loop there, and a backward pass consists of nothing else.
 *
 *   op(a)·op(b), a [batch, m, k] (or transposed), b [batch, k, n] (or transposed) → [batch, m, n]
 *
 * Batch dimensions that broadcast and other types than float32 go to tfjs' own kernel. An empty inner dimension gives zeros here, and
 * what lay in memory there.
 */
import { type TensorInfo, util } from "@tensorflow/tfjs"
import { type WasmEngine, wasmEngineOf } from "../kernels/wasm/engine.ts"
import { multiply, type Product } from "../kernels/wasm/product.ts"
import type { Kernel, KernelCall } from "./wasm-backend.ts"
import { transposeLast } from "./wasm-transpose.ts"

/** Only products of equal batches of float32 matrices; what is wrong with others, the stock kernel says. */
const canTake = ({ inputs, attrs }: KernelCall): boolean => {
  const [a, b] = [inputs["a"]!, inputs["b"]!]
  const inner = [a.shape.at(attrs["transposeA"] ? -2 : -1), b.shape.at(attrs["transposeB"] ? -1 : -2)]
  return (
    a.dtype === "float32" &&
    b.dtype === "float32" &&
    inner[0] === inner[1] &&
    util.arraysEqual(a.shape.slice(0, -2), b.shape.slice(0, -2))
  )
}

const product = (
  engine: WasmEngine,
  a: TensorInfo,
  b: TensorInfo,
  transposeA: boolean,
  transposeB: boolean
): TensorInfo => {
  const m = a.shape.at(transposeA ? -1 : -2)!
  const k = a.shape.at(transposeA ? -2 : -1)!
  const n = b.shape.at(transposeB ? -2 : -1)!
  const out = engine.output([...a.shape.slice(0, -2), m, n])
  const kind: Product["kind"] = transposeA ? "tn" : transposeB ? "nt" : "nn"
  multiply(engine, {
    kind,
    m,
    n,
    k,
    a: { address: engine.address(a), stride: a.shape.at(-1)! },
    b: { address: engine.address(b), stride: b.shape.at(-1)! },
    c: { address: engine.address(out), stride: n },
    batch: {
      outer: util.sizeFromShape(a.shape.slice(0, -2)),
      inner: 1,
      a: [m * k, 0],
      b: [k * n, 0],
      c: [m * n, 0]
    }
  })
  return out
}

export const matMulKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = wasmEngineOf(call.backend)
    if (engine === undefined || !canTake(call)) return stock(call)
    const [a, b] = [call.inputs["a"]!, call.inputs["b"]!]
    const [tA, tB] = [call.attrs["transposeA"] === true, call.attrs["transposeB"] === true]
    if (!(tA && tB)) return product(engine, a, b, tA, tB)
    const copy = transposeLast(call.backend, b)
    const out = product(engine, a, copy, true, false)
    engine.dispose(copy)
    return out
  }
