/** Blocks against those of ggml's own quantizers (make/gguf_quantized.py): bytes of blocks of 32, errors of blocks of 256. */
import { describe, expect, test } from "bun:test"
import { unwritableAt, writableTypes } from "../../../../../src/models/gguf/write/blocks.ts"
import { readGolden } from "../../golden.ts"

const golden = await readGolden("gguf/quantized.safetensors")
const values = Float32Array.from(golden.get("values")!.data)
const COLUMNS = 512
const ROWS = values.length / COLUMNS
const bytesOf = (name: string) => Uint8Array.from(golden.get(`${name}.bytes`)!.data)

/** √(Σ (y − x)²) of each row. */
const errors = (decoded: Float32Array): ReadonlyArray<number> =>
  Array.from({ length: ROWS }, (_, row) =>
    Math.hypot(...decoded.subarray(row * COLUMNS, (row + 1) * COLUMNS).map((y, i) => y - values[row * COLUMNS + i]!))
  )

describe("blocks of 32 are ggml's, byte for byte:", () => {
  for (const name of ["Q4_0", "Q5_0", "Q8_0"] as const) {
    test(name, () => {
      const written = writableTypes[name].encode(values)
      // the sign of a zero scale is no number's
      expect([...writableTypes[name].decode(written)]).toEqual([...writableTypes[name].decode(bytesOf(name))])
      expect(written.length).toBe(bytesOf(name).length)
    })
  }
})

describe("blocks of 256 are as near to the numbers as ggml's:", () => {
  for (const name of ["Q4_K", "Q6_K"] as const) {
    test(name, () => {
      const { encode, decode } = writableTypes[name]
      const [ours, theirs] = [errors(decode(encode(values))), errors(decode(bytesOf(name)))]
      const least = Math.min(...theirs.filter((error) => error > 0))
      for (const [row, error] of ours.entries()) {
        // sums in float64 rather than float32 may take another of two candidates that are as good to seven digits
        expect([row, error <= 1.02 * theirs[row]! + 1e-6 * least]).toEqual([row, true])
      }
      expect(theirs.reduce((sum, error) => sum + error)).toBeGreaterThan(0)
    })
  }

  test("and nearer than Q4_0", () => {
    const [small, large] = [writableTypes.Q4_0, writableTypes.Q4_K].map(({ encode, decode }) =>
      errors(decode(encode(values)))
    )
    // a row of normal numbers
    expect(large![0]!).toBeLessThan(0.9 * small![0]!)
  })
})

test("halves and floats are rounded once", () => {
  const { F16, F32 } = writableTypes
  expect([...F32.decode(F32.encode(values))]).toEqual([...values])
  expect(
    Math.max(
      ...F16.decode(F16.encode(values)).map((y, i) => Math.abs(y - values[i]!) - 2 ** -11 * Math.abs(values[i]!))
    )
  ).toBeLessThanOrEqual(2 ** -25)
})

test("a number that no half holds is found", () => {
  expect(
    [[1, 65_504], [1, 65_505, 2], [Number.NaN], [0, 0, Number.NEGATIVE_INFINITY]].map((own) =>
      unwritableAt(Float32Array.from(own))
    )
  ).toEqual([-1, 1, 0, 2])
})
