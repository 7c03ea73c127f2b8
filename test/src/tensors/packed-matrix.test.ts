/** Weights in fewer bits, on the host: what is lost, what is not, and what cannot be held. */
import { describe, expect, test } from "bun:test"
import {
  LARGEST_IN_F16,
  type PackedHostMatrix,
  type Packing,
  PER_WORD,
  packedBytes,
  packMatrix
} from "../../../src/numbers/index.ts"
import { random } from "../device/on-wasm.ts"
import { dequantizedOnHost } from "./dequantized-on-host.ts"

const packed = (packing: Packing, data: Float32Array, shape: readonly [number, number]): PackedHostMatrix => {
  const matrix = packMatrix(packing, data, shape)
  if ("value" in matrix) throw new Error(`cannot be packed: ${matrix.value}`)
  return matrix
}

/** Rows of very different sizes, among them one of zeros and one of a single number. */
const weights = (out: number, inputs: number, seed: number): Float32Array => {
  const next = random(seed)
  const data = new Float32Array(out * inputs)
  for (let i = 1; i < out; i++) {
    const size = 10 ** (6 * next() - 4)
    for (let j = 0; j < inputs; j++) data[i * inputs + j] = i === 2 && j > 0 ? 0 : size * (2 * next() - 1)
  }
  return data
}

/** A word's last number may be the only one of its row. */
const WIDTHS = [1, 2, 3, 4, 5, 7, 8, 13, 31, 64, 131]

describe("int8", () => {
  test("is off by half a step of its row at most, and reaches the row's largest", () => {
    for (const inputs of WIDTHS) {
      const data = weights(9, inputs, inputs)
      const matrix = packed("int8", data, [9, inputs])
      const back = dequantizedOnHost(matrix)
      for (let i = 0; i < 9; i++) {
        const row = data.subarray(i * inputs, (i + 1) * inputs)
        const largest = Math.max(...row.map(Math.abs))
        const scale = matrix.scales![i]!
        expect(scale).toBe(Math.fround(largest / 127))
        const errors = Array.from(row, (w, j) => Math.abs(w - back[i * inputs + j]!))
        // and one rounding, of the product with the scale
        expect(Math.max(...errors)).toBeLessThanOrEqual(scale / 2 + largest * 2 ** -24)
        const at = row.findIndex((w) => Math.abs(w) === largest)
        expect(Math.abs(back[i * inputs + at]! - row[at]!)).toBeLessThanOrEqual(largest * 2 ** -22)
      }
    }
  })

  test("holds numbers of any size, and a row of numbers too small for a scale as 0", () => {
    const smallest = 2 ** -149
    const data = Float32Array.of(3e38, -3e38, 1e-44, -1e-44, 1e-40, -1e-40, 178 * smallest, -178 * smallest)
    const matrix = packed("int8", data, [4, 2])
    const back = dequantizedOnHost(matrix)
    expect(back.every(Number.isFinite)).toBe(true)
    expect(Math.abs(back[0]! / 3e38 - 1)).toBeLessThan(2 ** -22)
    expect([back[2], back[3]]).toEqual([0, 0])
    // a scale among the smallest floats is itself off by up to half of them
    for (const i of [4, 5]) expect(Math.abs(back[i]! - data[i]!)).toBeLessThanOrEqual(matrix.scales![2]! / 2 + smallest)
    // 178 / 127 is rounded to one of them: 178 steps would be another number altogether
    expect([back[6], back[7]]).toEqual([127 * smallest, -127 * smallest])
  })

  test("the largest of a row is 127 steps, however its scale is rounded", () => {
    const next = random(5)
    for (let i = 0; i < 2000; i++) {
      const largest = Math.fround(10 ** (8 * next() - 4))
      const matrix = packed("int8", Float32Array.of(largest, -largest), [1, 2])
      expect([...new Int8Array(matrix.words.buffer)].slice(0, 2)).toEqual([127, -127])
    }
  })
})

describe("f16", () => {
  test("keeps every half as it is", () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i).filter((half) => (half & 0x7c00) !== 0x7c00)
    const data = Float32Array.from(new Float16Array(bits.buffer))
    const shape = [2, data.length / 2] as const
    const matrix = packed("f16", data, shape)
    expect([...new Set(matrix.scales!)]).toEqual([1])
    expect(new Uint16Array(matrix.words.buffer)).toEqual(bits)
    expect(new Uint32Array(dequantizedOnHost(matrix).buffer)).toEqual(new Uint32Array(data.buffer))
  })

  test("rounds what is none to the nearest", () => {
    for (const inputs of WIDTHS) {
      const data = weights(9, inputs, inputs + 100)
      const matrix = packed("f16", data, [9, inputs])
      expect([...new Set(matrix.scales!)]).toEqual([1])
      expect(dequantizedOnHost(matrix)).toEqual(Float32Array.from(new Float16Array(data)))
    }
  })

  test("a row beyond 65,504 has the power of two that brings it below, and the others have none", () => {
    const data = Float32Array.of(65_504, 1, 65_505, 1, 131_008, -3, 131_009, -3, -LARGEST_IN_F16, 2 ** 14)
    const matrix = packed("f16", data, [5, 2])
    expect([...matrix.scales!]).toEqual([1, 2, 2, 4, 2 ** 15])
    const back = dequantizedOnHost(matrix)
    for (const [i, w] of data.entries()) expect(Math.abs(back[i]! - w)).toBeLessThanOrEqual(Math.abs(w) * 2 ** -11)
  })
})

describe("what cannot be held is named with its place", () => {
  for (const packing of ["f16", "int8"] as const) {
    test(packing, () => {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const data = weights(4, 7, 1)
        data[2 * 7 + 5] = value
        expect(packMatrix(packing, data, [4, 7])).toEqual({ value, row: 2, column: 5 })
      }
    })
  }
  test("f16, beyond 2³⁰; int8 has a scale for it", () => {
    const value = Math.fround(1.5 * LARGEST_IN_F16)
    const data = Float32Array.of(1, 2, 3, -value)
    expect(packMatrix("f16", data, [2, 2])).toEqual({ value: -value, row: 1, column: 1 })
    expect("value" in packMatrix("int8", data, [2, 2])).toBe(false)
  })
})

test("bytes are those of the words and the scales", () => {
  for (const packing of Object.keys(PER_WORD) as ReadonlyArray<Packing>) {
    for (const inputs of WIDTHS) {
      const { words, scales } = packed(packing, weights(5, inputs, 3), [5, inputs])
      expect(packedBytes(packing, [5, inputs])).toBe(words.byteLength + (scales?.byteLength ?? 0))
    }
  }
})
