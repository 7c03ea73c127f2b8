/** Products in machine code, of every width that they have tiles and ways for, beside wasm's and float64's. */
import { expect, test } from "bun:test"
import { KERNELS } from "../../../../src/kernels/wasm/product.ts"
import { normals } from "../float64.ts"
import { distance, libraries, runBoth } from "./both.ts"

/** Of the largest element: float32 sums of up to a thousand products. */
const BOUND = 2e-6

interface Shape {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly k2?: number
  /** rows and columns of a chunk */
  readonly chunk?: readonly [number, number]
}

/** Few columns, few rows, few terms, more terms than a block has, tiles and panels that are not full. */
const shapes: ReadonlyArray<Shape> = [
  { m: 1, n: 1, k: 1 },
  { m: 5, n: 3, k: 7 },
  { m: 70, n: 8, k: 100, chunk: [32, 32] },
  { m: 33, n: 7, k: 1601 },
  { m: 8, n: 70, k: 801, chunk: [96, 32] },
  { m: 131, n: 16, k: 37, chunk: [96, 96] },
  { m: 3, n: 17, k: 400 },
  { m: 40, n: 45, k: 51, k2: 8 },
  { m: 101, n: 97, k: 770, chunk: [96, 96] }
]
/** What a sum begins with. */
const STARTS = ["zero", "bias", "there"] as const

const NONE = {
  inner: 1,
  aOuter: 0,
  bOuter: 0,
  cOuter: 0,
  aInner: 0,
  bInner: 0,
  cInner: 0,
  packing: 0,
  scale: 1,
  operands: 0
}

/** Floats beside each row, so that every matrix is a part of a wider one. */
const BESIDE = 3

test.each(["nt", "nn", "tn"] as const)("%s", (kind) => {
  for (const { m, n, k, k2: second = 0, chunk = [m, n] } of shapes) {
    for (const [start, from] of STARTS.entries()) {
      const k2 = kind === "tn" ? 0 : second
      const [aRows, aColumns] = kind === "tn" ? [k, m] : [m, k]
      const [bRows, bColumns] = kind === "nt" ? [n, k] : [k, n]
      const [lda, ldb, ldc] = [aColumns + BESIDE, bColumns + BESIDE, n + BESIDE]
      const [lda2, ldb2] = [k2, kind === "nt" ? k2 : n]
      const [a, b, c] = [normals(aRows * lda, "a"), normals(bRows * ldb, "b"), normals(m * ldc, "c")]
      const [a2, b2, bias] = [normals(m * k2, "a2"), normals(n * k2, "b2"), normals(n, "bias")]
      const words = {
        ...NONE,
        lda,
        ldb,
        ldc,
        m,
        n,
        k,
        start: [0, 1, 2][start]!,
        lda2,
        ldb2,
        k2,
        // a factor is of a product that starts at zero and has no second pair
        scale: from === "zero" && k2 === 0 ? -1.75 : 1,
        rows: chunk[0],
        columns: chunk[1]
      }
      const given = { a, b, c, ...(from === "bias" ? { bias } : {}), ...(k2 > 0 ? { a2, b2 } : {}) }
      const chunks = Math.ceil(m / chunk[0]) * Math.ceil(n / chunk[1])
      const panels = Math.ceil(Math.min(n, chunk[1]) / 32) * 32
      const scratch = 4 * panels * (Math.min(k, 384) + k2)
      const { wasm, native } = runBoth({
        kernel: KERNELS[kind],
        given,
        words,
        chunks,
        scratch: Math.max(scratch, 200 + 48 * (k + k2))
      })
      const exact = Float64Array.from(c, (there, at) => {
        const [i, j] = [Math.floor(at / ldc), at % ldc]
        if (j >= n) return there
        let sum = from === "zero" ? 0 : from === "bias" ? bias[j]! : there
        for (let p = 0; p < k; p++)
          sum += a[kind === "tn" ? p * lda + i : i * lda + p]! * b[kind === "nt" ? j * ldb + p : p * ldb + j]!
        for (let p = 0; p < k2; p++) sum += a2[i * lda2 + p]! * b2[kind === "nt" ? j * ldb2 + p : p * ldb2 + j]!
        return words.scale * sum
      })
      expect([...native.keys()]).toEqual(libraries.map(({ instructions }) => instructions))
      for (const [instructions, written] of native) {
        const says = { instructions, m, n, k, from }
        for (const expected of [wasm["c"]!, exact]) {
          const error = distance(expected, written["c"]!)
          expect({ ...says, error: error <= BOUND ? 0 : error }).toEqual({ ...says, error: 0 })
        }
      }
    }
  }
})
