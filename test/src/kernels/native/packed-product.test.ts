/** Products with a packed B in machine code, of one row and of several, beside wasm's and float64's, for every instruction set there is. */
import { describe, expect, test } from "bun:test"
import { declaredKernels } from "../../../../src/kernels/index.ts"
import { PACKING_WORDS } from "../../../../src/kernels/wasm/product.ts"
import { type PackedHostMatrix, type Packing, PER_WORD, packMatrix } from "../../../../src/numbers/index.ts"
import { dequantizedOnHost } from "../../tensors/dequantized-on-host.ts"
import { normals } from "../float64.ts"
import { distance, libraries, runBoth } from "./both.ts"

const declared = (name: string) => declaredKernels().find((kernel) => kernel.name === name)!

type Shape = readonly [m: number, n: number, k: number, k2: number]

/** One row and few, widths that no vector and no block divides, several blocks of terms, and a second pair. */
const SHAPES: ReadonlyArray<Shape> = [
  [1, 1, 1, 0],
  [1, 7, 5, 0],
  [1, 33, 32, 3],
  [1, 70, 131, 8],
  [1, 66, 1100, 0],
  [2, 5, 40, 2],
  [7, 37, 131, 4],
  [25, 40, 800, 0]
]

/** A sum of at most 1,100 terms, by the largest result: 2⁻²⁴·√1100 for the sum, and one rounding of each of its terms. */
const BOUND = 3e-6

const forms = ["f32", ...Object.keys(PER_WORD)] as ReadonlyArray<"f32" | Packing>
const empty = new Float32Array(1)

const callOf = (kind: "nt" | "nn", form: "f32" | Packing, [m, n, k, k2]: Shape) => {
  const [a, b, a2, b2, bias] = [m * k, n * k, m * k2, n * k2, n].map((size, i) => normals(size, `${kind}${size}${i}`))
  const [rows, width] = kind === "nt" ? [n, k] : [k, n]
  const packed = form === "f32" ? undefined : (packMatrix(form, b!, [rows, width]) as PackedHostMatrix)
  const B = packed === undefined ? b! : dequantizedOnHost(packed)
  // two chunks by columns where there are enough of them
  const columns = n > 48 ? 36 : n
  const exact = Float64Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n]
    let sum = bias![j]!
    for (let p = 0; p < k; p++) sum += a![i * k + p]! * B[kind === "nt" ? j * k + p : p * n + j]!
    for (let p = 0; p < k2; p++) sum += a2![i * k2 + p]! * b2![kind === "nt" ? j * k2 + p : p * n + j]!
    return sum
  })
  const scales = packed?.scales ?? undefined
  const given = {
    a: a!,
    b: packed?.words ?? b!,
    c: 4 * m * n,
    bias: bias!,
    a2: k2 === 0 ? empty : a2!,
    b2: k2 === 0 ? empty : b2!
  }
  const words = {
    ...{ lda: k, ldb: (packed?.words ?? b!).length / rows, ldc: n, m, n, k, start: 1 },
    ...{
      lda2: k2,
      ldb2: kind === "nt" ? k2 : n,
      k2,
      inner: 1,
      aOuter: 0,
      bOuter: 0,
      cOuter: 0,
      aInner: 0,
      bInner: 0,
      cInner: 0,
      operands: 0
    },
    ...{ rows: m, columns, packing: form === "f32" ? 0 : PACKING_WORDS[form], scale: 1 }
  }
  return {
    exact,
    call: {
      kernel: declared(kind),
      given: { ...given, ...(scales === undefined ? {} : { scales }) },
      words,
      chunks: Math.ceil(n / columns),
      // more than either asks for
      scratch: 4 * 96 * (k + k2 + 1) + 4096
    }
  }
}

for (const kind of ["nt", "nn"] as const) {
  for (const form of forms) {
    describe(`${kind}, ${form}`, () => {
      test("the numbers of float64 and of wasm, and nothing beside them is written", () => {
        for (const shape of SHAPES) {
          const { call, exact } = callOf(kind, form, shape)
          const { wasm, native } = runBoth(call)
          expect([shape, distance(exact, wasm["c"]!) < BOUND]).toEqual([shape, true])
          expect(native.size).toBe(libraries.length)
          for (const [instructions, own] of native)
            expect([shape, instructions, distance(exact, own["c"]!) < BOUND]).toEqual([shape, instructions, true])
        }
      })
    })
  }
}
