/**
 * Matrix products on the wasm backend, all of them through XNNPACK. tfjs' C++ kernel takes XNNPACK (35 GFLOP/s a core) only
 * for one untransposed pair of matrices; a transposed or batched product runs through a scalar loop (3 GFLOP/s), and a
 * backward pass consists of nothing else.
 *
 *   op(a)·op(b), a [batch, m, k] (or transposed), b [batch, k, n] (or transposed) → [batch, m, n]
 *
 * Transposed operands are transposed in tiles first. A batch is a loop over matrices inside the big buffers: a temporary tensor
 * id is registered for the place where a matrix lies, nothing is copied. XNNPACK packs the right operand once per id and keeps
 * the packing until the id is disposed: good for frozen weights, useless for activations, where it costs more than a
 * transposition. So op(a)·op(b) is computed as (op(b)ᵀ·op(a)ᵀ)ᵀ where that packs less (`swapPays`).
 *
 * Every output element is one sum over k in a fixed order, so results do not depend on the number of threads.
 * Batch dimensions that broadcast, other types than float32 and empty tensors go to tfjs' own kernel.
 */
import { type TensorInfo, util } from "@tensorflow/tfjs"
import type { Kernel, KernelCall, WasmBackend } from "./wasm-backend.ts"
import { keptTranspose } from "./wasm-kept.ts"
import { type Dimensions, multiply, type Operand, operand } from "./wasm-product.ts"
import { transposeLast } from "./wasm-transpose.ts"

/** Nanoseconds per float of packing in units of those of a transposition: 3.5 ms and 1 ms for [1024, 1536]. */
const PACK = 3.5

/** Is (op(b)ᵀ·op(a)ᵀ)ᵀ cheaper than op(a)·op(b), counting transpositions and packings of both ways? */
const swapPays = ({ m, k, n }: Dimensions, transposeA: boolean, transposeB: boolean): boolean => {
  if (!transposeA && !transposeB) return false // b may be a frozen weight that is packed already
  const direct = (transposeA ? m * k : 0) + (transposeB ? n * k : 0) + PACK * n * k
  const swapped = (transposeA ? 0 : m * k) + (transposeB ? 0 : n * k) + PACK * m * k + m * n
  return swapped < direct
}

const product = (backend: WasmBackend, a: TensorInfo, b: Operand, shape: Array<number>, of: Dimensions): TensorInfo => {
  const out = backend.makeOutput(shape, "float32")
  multiply(backend, operand(backend, a), b, operand(backend, out), of)
  return out
}

/** Runs `f` on the transpose of `x` if `transpose`, else on `x` itself. */
const withTransposed = <A>(backend: WasmBackend, x: TensorInfo, transpose: boolean, f: (x: TensorInfo) => A): A => {
  if (!transpose) return f(x)
  const copy = transposeLast(backend, x)
  const result = f(copy)
  backend.disposeData(copy.dataId)
  return result
}

const dimensionsOf = (a: TensorInfo, b: TensorInfo, transposeA: boolean, transposeB: boolean): Dimensions => ({
  batch: util.sizeFromShape(a.shape.slice(0, -2)),
  m: a.shape.at(transposeA ? -1 : -2)!,
  k: a.shape.at(transposeA ? -2 : -1)!,
  n: b.shape.at(transposeB ? -2 : -1)!
})

/** Below so many multiplications a matrix of a batch, tfjs' loop beats the 2 µs that an XNNPACK operator takes to make. */
const LEAST_WORK = 4096

/** Only products of equal batches of non-empty float32 matrices; what is wrong with others, the stock kernel says. */
const canTake = ({ inputs, attrs }: KernelCall): boolean => {
  const [a, b] = [inputs["a"]!, inputs["b"]!]
  const inner = [a.shape.at(attrs["transposeA"] ? -2 : -1), b.shape.at(attrs["transposeB"] ? -1 : -2)]
  return (
    a.dtype === "float32" &&
    b.dtype === "float32" &&
    inner[0] === inner[1] &&
    util.arraysEqual(a.shape.slice(0, -2), b.shape.slice(0, -2)) &&
    util.sizeFromShape(a.shape) > 0 &&
    util.sizeFromShape(b.shape) > 0
  )
}

/** (op(b)ᵀ·op(a)ᵀ)ᵀ */
const swappedProduct = ({ inputs, attrs, backend }: KernelCall, of: Dimensions, shape: Array<number>): TensorInfo => {
  const swapped = { ...of, m: of.n, n: of.m }
  const flat = withTransposed(backend, inputs["a"]!, attrs["transposeA"] !== true, (right) =>
    withTransposed(backend, inputs["b"]!, attrs["transposeB"] !== true, (left) =>
      product(backend, left, operand(backend, right), [...shape.slice(0, -2), of.n, of.m], swapped)
    )
  )
  const out = transposeLast(backend, flat)
  backend.disposeData(flat.dataId)
  return out
}

export const matMulKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    if (!canTake(call)) return stock(call)
    const { backend } = call
    const [a, b] = [call.inputs["a"]!, call.inputs["b"]!]
    const [tA, tB] = [call.attrs["transposeA"] === true, call.attrs["transposeB"] === true]
    const of = dimensionsOf(a, b, tA, tB)
    if (of.batch > 1 && of.m * of.k * of.n < LEAST_WORK) return stock(call)
    const shape = [...a.shape.slice(0, -2), of.m, of.n]
    const kept = tB ? keptTranspose(backend, b) : undefined
    if (kept !== undefined) {
      return withTransposed(backend, a, tA, (left) => product(backend, left, { id: kept, offset: 0 }, shape, of))
    }
    return swapPays(of, tA, tB)
      ? swappedProduct(call, of, shape)
      : withTransposed(backend, a, tA, (left) =>
          withTransposed(backend, b, tB, (right) => product(backend, left, operand(backend, right), shape, of))
        )
  }
