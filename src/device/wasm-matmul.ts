/**
 * tfjs' matrix product on the wasm engine, for every transposition and batch. tfjs' own takes XNNPACK only for one untransposed pair
 * of matrices; a transposed or batched product runs through a scalar loop there, and a backward pass consists of nothing else.
 *
 *   op(a)·op(b), a [batch, m, k] (or transposed), b [batch, k, n] (or transposed) → [batch, m, n]
 *
 * Batch dimensions that broadcast and other types than float32 go to tfjs' own kernel. An empty inner dimension gives zeros here, and
 * what lay in memory there.
 */
import type { TensorInfo } from "@tensorflow/tfjs"
import { type WasmEngine, wasmEngineOf } from "../kernels/wasm/engine.ts"
import { multiply, type Product } from "../kernels/wasm/product.ts"
import { type PlainProduct, plainProduct } from "./plain-product.ts"
import type { Kernel } from "./wasm-backend.ts"
import { transposeLast } from "./wasm-transpose.ts"

const product = (
  engine: WasmEngine,
  { a, b, transposeA, transposeB, batch, m, n, k, shape }: PlainProduct
): TensorInfo => {
  const out = engine.output(shape)
  const kind: Product["kind"] = transposeA ? "tn" : transposeB ? "nt" : "nn"
  multiply(engine, {
    kind,
    m,
    n,
    k,
    a: { address: engine.address(a), stride: a.shape.at(-1)! },
    b: { address: engine.address(b), stride: b.shape.at(-1)! },
    c: { address: engine.address(out), stride: n },
    batch: { outer: batch, inner: 1, a: [m * k, 0], b: [k * n, 0], c: [m * n, 0] }
  })
  return out
}

export const matMulKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const engine = wasmEngineOf(call.backend)
    const plain = engine === undefined ? undefined : plainProduct(call)
    if (engine === undefined || plain === undefined) return stock(call)
    if (!(plain.transposeA && plain.transposeB)) return product(engine, plain)
    const copy = transposeLast(call.backend, plain.b)
    const out = product(engine, { ...plain, b: copy, transposeB: false })
    engine.dispose(copy)
    return out
  }
