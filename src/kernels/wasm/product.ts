/**
 * Matrix products on the wasm engine: the host side of `assembly/product.ts`, with `product-rows.ts` and `product-panels.ts`.
 *
 * A matrix is an address and a leading dimension (floats from one row to the next), so that a part of a matrix is one too: a head
 * of an attention layer is a column range of [tokens, heads·d].
 */
import type { TensorInfo } from "@tensorflow/tfjs"
import type { Packing } from "../../numbers/index.ts"
import type { WasmEngine } from "./engine.ts"

export interface Matrix {
  /** bytes */
  readonly address: number
  /** floats from row to row */
  readonly stride: number
}

/** A whole tensor [rows, columns]. */
export const matrixOf = (engine: WasmEngine, tensor: TensorInfo): Matrix => ({
  address: engine.address(tensor),
  stride: tensor.shape[1]!
})

/** A batch is `outer` × `inner` matrices; strides in floats from one to the next. */
export interface Batch {
  readonly outer: number
  readonly inner: number
  readonly a: readonly [number, number]
  readonly b: readonly [number, number]
  readonly c: readonly [number, number]
}

/**
 * `nt`: A [m, k]·B [n, k]ᵀ. `nn`: A [m, k]·B [k, n]. `tn`: A [k, m]ᵀ·B [k, n].
 * C [m, n] starts at `start`: 0, a bias (the address of a row [n]), or what it holds.
 */
export interface Product {
  readonly kind: "nt" | "nn" | "tn"
  readonly m: number
  readonly n: number
  readonly k: number
  readonly a: Matrix
  readonly b: Matrix
  readonly c: Matrix
  readonly start?: "zero" | "there" | { readonly bias: number }
  /** A second pair whose product is added, with its own inner dimension; not for `tn`. */
  readonly second?: { readonly a: Matrix; readonly b: Matrix; readonly k: number }
  readonly batch?: Batch
  /** B is packed (`PackedMatrix`), in `nt` or `nn` and without a batch: its stride then counts 32-bit words. */
  readonly packed?: PackedB
}

export interface PackedB {
  readonly packing: Packing
  /** bytes; a scale for each row of B as it is stored */
  readonly scales: number
}

/** How the kernels are told of a packing. */
export const PACKING_WORDS = { f16: 1, int8: 2 } as const satisfies Record<Packing, number>

const ONE: Batch = { outer: 1, inner: 1, a: [0, 0], b: [0, 0], c: [0, 0] }
const NONE = { a: { address: 0, stride: 0 }, b: { address: 0, stride: 0 }, k: 0 }

/** Multiplications below which a second thread costs more than it saves. */
const WORTH_SHARING = 1 << 16
const PANEL = 12
const BLOCK = 256

/** Chunks of a product: enough to keep two to eight threads evenly busy. */
const CHUNKS = 16

/** Most rows of a chunk of `nt`, with floats and with a packed B. */
const ROWS = 48
const ROWS_OF_PACKED = 192
/** of `nn` and `tn` */
const ROWS_OF_PANEL = 512

/**
 * Rows and columns of a chunk: a function of the shape alone, never of the threads. `nt` takes few rows, which stay
 * in a core's cache while B passes, but more where rows of B are widened for them; `nn` and `tn` pack a panel of B for the rows of
 * a chunk, which pays from some hundred rows on.
 */
const chunkOf = ({ kind, m, n, k, packed }: Product, matrices: number): readonly [number, number] => {
  if (matrices >= CHUNKS || m * n * k * matrices < WORTH_SHARING) return [m, n]
  const most = kind !== "nt" ? ROWS_OF_PANEL : packed === undefined ? ROWS : ROWS_OF_PACKED
  const rows = upTo(m, Math.ceil(m / most), 3)
  const columnChunks = Math.ceil(CHUNKS / (matrices * Math.ceil(m / rows)))
  return [rows, upTo(n, columnChunks, kind === "nt" ? 3 : PANEL)]
}

/** A `parts`-th of a length, rounded up to whole tiles. */
const upTo = (length: number, parts: number, tile: number): number =>
  Math.ceil(length / Math.max(1, parts) / tile) * tile

/** Computes a product. Sizes must fit; an inner dimension of 0 leaves C at its start. */
export const multiply = (engine: WasmEngine, product: Product): void => {
  const { kind, m, n, k, a, b, c, start = "zero", second = NONE, batch = ONE, packed } = product
  const matrices = batch.outer * batch.inner
  if (m === 0 || n === 0 || matrices === 0) return
  const [rows, columns] = chunkOf(product, matrices)
  const [from, bias] = start === "zero" ? [0, 0] : start === "there" ? [2, 0] : [1, start.bias]
  const words = [
    ...[a.address, a.stride, b.address, b.stride, c.address, c.stride, m, n, k, from, bias],
    ...[second.a.address, second.a.stride, second.b.address, second.b.stride, second.k],
    ...[batch.inner, batch.a[0], batch.b[0], batch.c[0], batch.a[1], batch.b[1], batch.c[1], rows, columns],
    ...(packed === undefined ? [0, 0] : [PACKING_WORDS[packed.packing], packed.scales])
  ]
  const chunks = Math.ceil(m / rows) * Math.ceil(n / columns) * matrices
  engine.runWords(kind, words, chunks, scratchOf(product, second.k))
}

/** Bytes of scratch: a panel, or the rows of a packed B that are widened at a time. */
const scratchOf = ({ kind, k, packed }: Product, k2: number): number => {
  if (kind === "nt") return packed === undefined ? 0 : 4 * 3 * k
  const depth = kind === "nn" ? k + k2 : Math.min(k, BLOCK)
  return depth === 0 ? 0 : 144 + 4 * PANEL * depth
}
