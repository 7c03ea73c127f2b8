/** The kernels that replace or complete tfjs' own on the wasm backend (`replaced-kernels.ts`). */
import { type TensorInfo, util } from "@tensorflow/tfjs-core"
import { declareKernel, read, write } from "../declaration.ts"
import { installKernels, type KernelTable, type PlainProduct, plainProduct } from "../replaced-kernels.ts"
import type { Kernel, KernelCall, WasmBackend } from "./backend.ts"
import { chunksOf } from "./cuts.ts"
import { type WasmEngine, wasmEngineOf } from "./engine.ts"
import { gatherKernel, segmentSumKernel } from "./gather.ts"
import { multiply, type Product } from "./product.ts"
import { meanKernel, sumKernel } from "./sums.ts"

/**
 * Identity on the wasm backend without a copy, as tfjs' other backends do it: the clone shares the buffer, which lives until
 * the last of them is disposed. tfjs copies here; and since its tape clones every tensor that a gradient will need, a training
 * step copied all its activations, and all its frozen weights.
 *
 * Safe because no kernel of the backend writes into its inputs, but `kernels/put-rows.ts`, whose caller has no clone.
 */
const identityKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const { dataId, shape, dtype } = call.inputs["x"]!
    if (dtype === "string") return stock(call)
    call.backend.incRef(dataId)
    return { dataId, shape, dtype }
  }

// Transposition of matrices on the wasm backend, in tiles. tfjs walks the output in order, so that every read of a wide matrix
// is a cache miss: [1024, 1536] takes 10 ms, a third of the matrix product that needs it. In tiles of 32 × 32 it takes 1.
//
//   out[b, j, i] = x[b, i, j]        x [batch, m, n] → out [batch, n, m], float32

/** perChunk: rows of `out` */
const transposition = declareKernel({
  name: "transpose",
  sameBits: true,
  buffers: { x: read("f32"), out: write("f32") },
  words: { m: "u32", n: "u32", perChunk: "u32" }
})

/** The transpose of the last two axes, as a new tensor of a backend that has an engine. */
const transposeLast = (backend: WasmBackend, x: TensorInfo): TensorInfo => {
  const engine = wasmEngineOf(backend)!
  const [m, n] = [x.shape.at(-2)!, x.shape.at(-1)!]
  const out = engine.output([...x.shape.slice(0, -2), n, m])
  const batch = util.sizeFromShape(x.shape.slice(0, -2))
  if (batch * m * n === 0) return out // of an empty product's operand
  // a chunk is a band of rows of `out`, four at a time; of many matrices each is one
  const [perChunk, bands] = batch >= 16 ? [n, 1] : chunksOf(n, batch * m, 4)
  engine.run(transposition, { x, out }, { m, n, perChunk }, { chunks: batch * bands })
  return out
}

/** Does `perm` swap the last two axes and nothing else? */
const swapsLast = (perm: ReadonlyArray<number>): boolean => {
  const rank = perm.length
  return rank >= 2 && perm.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i))
}

/** tfjs' Transpose, but in tiles where it swaps the last two axes of a float32 tensor, and without a trap where there is nothing. */
const transposeKernel =
  (stock: Kernel): Kernel =>
  (call) => {
    const x = call.inputs["x"]!
    const perm = call.attrs["perm"] as Array<number>
    if (x.shape.includes(0)) {
      // tfjs' own divides by the length of an axis
      return call.backend.makeOutput(
        perm.map((axis) => x.shape[axis]!),
        x.dtype
      )
    }
    const vector = x.shape.slice(-2).includes(1) // stock only clones then
    const isSupported = x.dtype === "float32" && swapsLast(perm) && !vector
    if (!isSupported || wasmEngineOf(call.backend) === undefined) return stock(call)
    return transposeLast(call.backend, x)
  }

// tfjs' matrix product on the wasm engine, for every transposition and batch. tfjs' own takes XNNPACK only for one untransposed pair
// of matrices; a transposed or batched product runs through a scalar loop there, and a backward pass consists of nothing else.
//
//   op(a)·op(b), a [batch, m, k] (or transposed), b [batch, k, n] (or transposed) → [batch, m, n]
//
// Batch dimensions that broadcast and other types than float32 go to tfjs' own kernel. An empty inner dimension gives zeros here, and
// what lay in memory there.

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

const matMulKernel =
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

/**
 * Unpack along the first axis (`tf.unstack`), which optimizers end with: copies of what lies together. tfjs copies through views of its heap,
 * of [24, 64, 384] in 9 ms where memory takes 0.4.
 */
const unpackKernel =
  (stock: Kernel) =>
  (call: KernelCall): TensorInfo | ReadonlyArray<TensorInfo> => {
    const value = call.inputs["value"]!
    const engine = wasmEngineOf(call.backend)
    const axis = util.parseAxisParam(call.attrs["axis"] as number, value.shape)[0]
    if (engine === undefined || axis !== 0 || value.dtype !== "float32" || value.shape.includes(0)) return stock(call)
    const [count, ...shape] = value.shape
    const bytes = 4 * util.sizeFromShape(shape)
    return Array.from({ length: count! }, (_, i) => {
      const out = engine.output(shape)
      engine.copy(engine.address(value) + i * bytes, engine.address(out), bytes)
      return out
    })
  }

const TABLE: KernelTable<WasmBackend> = {
  replaced: {
    BatchMatMul: matMulKernel,
    Identity: identityKernel,
    GatherV2: gatherKernel,
    Transpose: transposeKernel,
    Sum: sumKernel,
    Mean: meanKernel,
    Unpack: unpackKernel
  },
  added: { UnsortedSegmentSum: segmentSumKernel }
}

/** Installs this package's kernels on the wasm backend, and returns a function that uninstalls them. */
export const installWasmKernels = (): (() => void) => installKernels("wasm", TABLE)
