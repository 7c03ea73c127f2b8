/**
 * LoRA-Pro's whitening matrices of a list of factor pairs, made where the factors lie, all pairs together: on the wasm
 * engine Grams and eigenproblems in float64, in one piece of work; on a GPU in pairs of float32 and in three programs
 * (`webgpu/whitening.ts`). Their definition is in `src/optimizers/whitening.ts`.
 *
 * No kernel in tfjs's tables, since its reference is no tensor code: it reads the factors and works on the host.
 */
import type { Tensor1D, Tensor2D, Tensor3D, TensorInfo } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { declareKernel, type EntryOf, read, writes } from "./declaration.ts"
import type { Factors, Whitening } from "./lora-pro-theorem.ts"
import { groupsOf } from "./tensor-lists.ts"
import { cutItems, fitting } from "./wasm/cuts.ts"
import { type Buffer, type WasmEngine, wasmEngineOf } from "./wasm/engine.ts"
import { type PairSizes, sizesOf } from "./wasm/lora-pro.ts"
import { type WebgpuEngine, webgpuEngineOf } from "./webgpu/engine.ts"
import { programs } from "./webgpu/loaded.ts"

/** Factors with their scale s. */
export type ScaledPair = Factors & { readonly scale: number }

/** Whitenings of pairs. */
export interface Whitened {
  /** whitenings in the order of the pairs */
  readonly whitenings: ReadonlyArray<Whitening>
  /** λ_min(BᵀB) of each pair; 0 if B does not have full column rank, NaN if a factor is not finite */
  readonly smallest: Tensor1D
}

const MATRICES = ["TB", "TBgrad", "TAt", "TAgrad", "S"] as const

const kernel = declareKernel({
  name: "whitening",
  buffers: {},
  words: { damping: "f64" },
  entry: {
    A: read("f32"),
    B: read("f32"),
    ...writes("f32", "TB", "TBgrad", "TAt", "TAgrad", "S", "smallest"),
    r: "u32",
    inputs: "u32",
    outputs: "u32",
    scale: "f64"
  }
})

/**
 * Returns the bytes of scratch: three matrices, a block of 64 columns and about eighty rows of float64; rows are whole vectors, of at most 16
 * values.
 */
export const scratchOf = ({ r }: PairSizes): number => 64 + 8 * (r + 15) * (3 * (r + 15) + 64 + 80)

/** Multiplications: of the Grams, and of two eigenproblems by the slower way, some six sweeps of Jacobi's method. */
const costOf = ({ r, inputs, outputs }: PairSizes): number => (r * r * (inputs + outputs)) / 2 + 30 * r ** 3

const tensorOf = <T extends tf.Tensor>(info: TensorInfo): T => tf.engine().makeTensorFromTensorInfo(info) as T

const onWasm = (engine: WasmEngine, pairs: ReadonlyArray<ScaledPair>, damping: number): Whitened => {
  const output = <T extends tf.Tensor>(shape: ReadonlyArray<number>): T => tensorOf(engine.output(shape))
  const whitenings = pairs.map(({ A }): Whitening => {
    const square = () => output<Tensor2D>([A.shape[0], A.shape[0]])
    return { TB: square(), TBgrad: square(), TAt: square(), TAgrad: square(), S: square() }
  })
  const smallest = output<Tensor1D>([pairs.length])
  const entries = pairs.map(({ A, B, scale }, i) => ({
    ...{ A, B, ...whitenings[i]!, ...sizesOf(A, B), scale },
    smallest: { address: engine.address(smallest) + 4 * i }
  }))
  runEntries(engine, entries, damping)
  return { whitenings, smallest }
}

const runEntries = (
  engine: WasmEngine,
  entries: ReadonlyArray<PairSizes & EntryOf<NonNullable<typeof kernel.entry>, Buffer>>,
  damping: number
): void => {
  for (const table of fitting(kernel, entries)) {
    const cost = table.reduce((sum, sizes) => sum + costOf(sizes), 0)
    const scratch = Math.max(...table.map(scratchOf))
    engine.run(kernel, {}, { damping }, { entries: table, ...cutItems(table.length, cost), scratch })
  }
}

/** T_B and T_Aᵀ [pairs, r, r] of stacked factors. */
export interface StackedRoots {
  readonly TB: Tensor3D
  readonly TAt: Tensor3D
}

/**
 * Computes the roots of A [pairs, r, in] and B [pairs, out, r] in place, without unstacking them. Undefined on other backends than wasm, where
 * pairs must be unstacked.
 */
export const stackedRootsOnWasm = (A: Tensor3D, B: Tensor3D, damping: number): StackedRoots | undefined => {
  const engine = wasmEngineOf(tf.backend())
  if (engine === undefined || A.size * B.size === 0) return undefined
  const [pairs, r, inputs] = A.shape
  const outputs = B.shape[1]
  const square = () => tensorOf<Tensor3D>(engine.output([pairs, r, r]))
  const made = { TB: square(), TBgrad: square(), TAt: square(), TAgrad: square(), S: square() }
  const smallest = tensorOf(engine.output([pairs]))
  const within = (tensor: TensorInfo, i: number, size: number) => ({ address: engine.address(tensor) + 4 * i * size })
  const entries = Array.from({ length: pairs }, (_, i) => {
    const of = (matrix: Tensor3D) => within(matrix, i, r * r)
    return {
      ...{ A: within(A, i, r * inputs), B: within(B, i, outputs * r), r, inputs, outputs, scale: 1 },
      ...{ TB: of(made.TB), TBgrad: of(made.TBgrad), TAt: of(made.TAt), TAgrad: of(made.TAgrad), S: of(made.S) },
      smallest: within(smallest, i, 1)
    }
  })
  runEntries(engine, entries, damping)
  tf.dispose([made.TBgrad, made.TAgrad, made.S, smallest])
  return { TB: made.TB, TAt: made.TAt }
}

const onWebgpu = (engine: WebgpuEngine, pairs: ReadonlyArray<ScaledPair>, damping: number): Whitened => {
  const { matrices, smallest } = programs().whitenOnWebgpu(engine, pairs, damping)
  const whitenings = groupsOf(matrices, MATRICES.length).map((matricesOfPair) => {
    const [TB, TBgrad, TAt, TAgrad, S] = matricesOfPair.map((info) => tensorOf<Tensor2D>(info))
    return { TB: TB!, TBgrad: TBgrad!, TAt: TAt!, TAgrad: TAgrad!, S: S! }
  })
  return { whitenings, smallest: tensorOf(smallest) }
}

/** Returns the largest rank that can be whitened on the current device; 0 if it has no engine of this package. */
export const mostWhitenedRank = (): number => {
  if (wasmEngineOf(tf.backend()) !== undefined) return Number.POSITIVE_INFINITY
  return webgpuEngineOf(tf.backend()) === undefined ? 0 : programs().MOST_RANK
}

/**
 * Whitens pairs on the device. Undefined if the current backend has no engine and, on a GPU, for ranks above `MOST_RANK` and factors that
 * together exceed its binding limit: the host whitens those. The caller owns the tensors.
 */
export const whitenedOnDevice = (pairs: ReadonlyArray<ScaledPair>, damping: number): Whitened | undefined => {
  if (pairs.length === 0) return undefined
  const wasm = wasmEngineOf(tf.backend())
  if (wasm !== undefined) return onWasm(wasm, pairs, damping)
  const webgpu = webgpuEngineOf(tf.backend())
  if (webgpu === undefined || !programs().canWhitenOnWebgpu(webgpu, pairs)) return undefined
  return onWebgpu(webgpu, pairs, damping)
}
