/**
 * Matrix products on the wasm engine: the host side of `../c/product.c`.
 *
 * A matrix is an address and a leading dimension (floats from one row to the next), so that a part of a matrix is one too: a head
 * of an attention layer is a column range of [tokens, heads·d].
 */
import type { TensorInfo } from "@tensorflow/tfjs-core"
import type { MatrixFormat } from "../../numbers/index.ts"
import { declareKernel, optional, read, write } from "../declaration.ts"
import type { Buffer, WasmEngine } from "./engine.ts"

/** A matrix in the heap. */
export interface Matrix {
  /** address in bytes */
  readonly address: number
  /** floats from one row to the next */
  readonly stride: number
}

/** Returns a whole tensor [rows, columns] as a matrix. */
export const matrixOf = (engine: WasmEngine, tensor: TensorInfo): Matrix => ({
  address: engine.address(tensor),
  stride: tensor.shape[1]!
})

/** A batch of `outer` × `inner` matrices; strides in floats from one to the next. */
export interface Batch {
  readonly outer: number
  readonly inner: number
  readonly a: readonly [number, number]
  readonly b: readonly [number, number]
  readonly c: readonly [number, number]
}

/**
 * A matrix product. `nt`: A [m, k]·B [n, k]ᵀ. `nn`: A [m, k]·B [k, n]. `tn`: A [k, m]ᵀ·B [k, n]. C [m, n] is initialized by `start`: to 0, to a
 * bias (a row [n]), or with its current values.
 */
export interface Product {
  readonly kind: "nt" | "nn" | "tn"
  readonly m: number
  readonly n: number
  readonly k: number
  readonly a: Matrix
  readonly b: Matrix
  readonly c: Matrix
  readonly start?: "zero" | "there" | { readonly bias: Buffer }
  /** C = scale·A·B, if C starts at 0 and there is no second pair; default 1 */
  readonly scale?: number
  /** second pair, whose product is added, with its own inner dimension; not for `tn` */
  readonly second?: { readonly a: Matrix; readonly b: Matrix; readonly k: number }
  readonly batch?: Batch
  /** packing of B (`PackedMatrix`), for `nt` or `nn` without a batch: its stride then counts 32-bit words */
  readonly packed?: PackedB | undefined
  /** rounding of the operands: a number of `WasmEngine.products`; default 0, float32. Not with a scale or a batch */
  readonly operands?: number | undefined
}

/** Packing of a product's B. */
export interface PackedB {
  readonly packing: MatrixFormat
  /** one scale per stored row of B; undefined: B is stored in blocks */
  readonly scales: Buffer | undefined
}

/** Codes that identify packings to the kernels. */
export const PACKING_WORDS = { f16: 1, int8: 2, q4: 3, q8: 4, mapped: 5 } as const satisfies Record<
  MatrixFormat,
  number
>

/** The arguments of a product. Leading dimensions (from row to row), sizes and batch strides count floats. */
const kernelOf = <const Name extends Product["kind"]>(name: Name) =>
  declareKernel({
    name,
    structure: "Product",
    buffers: {
      a: read("f32"),
      b: read("f32"),
      c: write("f32"),
      bias: optional(read("f32")),
      a2: optional(read("f32")),
      b2: optional(read("f32")),
      /** of a packed B's rows, where it is in no blocks */
      scales: optional(read("f32"))
    },
    words: {
      lda: "u32",
      /** 32-bit words where B is packed */
      ldb: "u32",
      ldc: "u32",
      m: "u32",
      n: "u32",
      k: "u32",
      /** what C starts at: 0, 1 for the bias, 2 for what is there */
      start: "u32",
      /** a factor of the whole C */
      scale: "f32",
      lda2: "u32",
      ldb2: "u32",
      k2: "u32",
      /** a batch is outer × inner matrices */
      inner: "u32",
      aOuter: "u32",
      bOuter: "u32",
      cOuter: "u32",
      aInner: "u32",
      bInner: "u32",
      cInner: "u32",
      /** rows and columns of C in a chunk */
      rows: "u32",
      columns: "u32",
      /** 0: B holds floats; else `PACKING_WORDS` */
      packing: "u32",
      /** 0: float32; else how they are rounded to bfloat16, by `WasmEngine.products` */
      operands: "u32"
    }
  })

/** Product kernels by layout. */
export const KERNELS = { nt: kernelOf("nt"), nn: kernelOf("nn"), tn: kernelOf("tn") } as const

const ONE: Batch = { outer: 1, inner: 1, a: [0, 0], b: [0, 0], c: [0, 0] }

/** Computes a product. Sizes must match; an inner dimension of 0 leaves C at its initial value. */
export const multiply = (engine: WasmEngine, product: Product): void => {
  const { kind, m, n, k, a, b, c, start = "zero", scale = 1, second, batch = ONE, packed, operands = 0 } = product
  const { outer, inner } = batch
  const matrices = outer * inner
  if (scale !== 1 && (start !== "zero" || second !== undefined))
    throw new Error(`${kind}: a scale needs a start at zero and no second pair`)
  if (m === 0 || n === 0 || matrices === 0) return
  const [rows, columns] = engine.cuts.chunk(product, matrices, engine.threads)
  const [from, bias] = start === "zero" ? [0, undefined] : start === "there" ? [2, undefined] : [1, start.bias]
  engine.run(
    KERNELS[kind],
    { a, b, c, bias, a2: second?.a, b2: second?.b, scales: packed?.scales },
    {
      lda: a.stride,
      ldb: b.stride,
      ldc: c.stride,
      m,
      n,
      k,
      start: from,
      scale,
      lda2: second?.a.stride ?? 0,
      ldb2: second?.b.stride ?? 0,
      k2: second?.k ?? 0,
      inner,
      aOuter: batch.a[0],
      bOuter: batch.b[0],
      cOuter: batch.c[0],
      aInner: batch.a[1],
      bInner: batch.b[1],
      cInner: batch.c[1],
      rows,
      columns,
      packing: packed === undefined ? 0 : PACKING_WORDS[packed.packing],
      operands
    },
    {
      chunks: Math.ceil(m / rows) * Math.ceil(n / columns) * matrices,
      scratch: engine.cuts.scratch(product, columns)
    }
  )
}
