/** Weights in blocks of 32: packed by ggml's own rules, held as GGUF files have them, and off by half a step at most. */
import { describe, expect, test } from "bun:test"
import { blockTypes } from "../../../src/models/gguf/block-types.ts"
import { type PackedHostMatrix, packMatrix } from "../../../src/numbers/index.ts"
import { random } from "../device/on-wasm.ts"
import { readGolden } from "../models/golden.ts"
import { dequantizedOnHost } from "./dequantized-on-host.ts"

const golden = await readGolden("gguf/packed.safetensors")
const typeOf = (name: string) => [...blockTypes.values()].find((type) => type.name === name)!
const bytesOf = (name: string) => Uint8Array.from(golden.get(`${name}.bytes`)!.data)

const packed = (packing: "q4" | "q8", data: Float32Array, shape: readonly [number, number]) =>
  packMatrix(packing, data, shape) as PackedHostMatrix

for (const [packing, name] of [
  ["q4", "Q4_0"],
  ["q8", "Q8_0"]
] as const) {
  describe(packing, () => {
    const { data, shape } = golden.get("values")!
    const [out, inputs] = shape as [number, number]
    const own = packed(packing, data, [out, inputs])

    test(`packs the blocks that Python's gguf packs as ${name}, byte for byte`, () => {
      const words = typeOf(name).packed!(bytesOf(name))!.words
      expect(own.words).toEqual(words)
      expect(own.scales).toBeNull()
    })

    test("blocks of a file are the numbers that are read from it as float32", () => {
      const types = packing === "q4" ? ["Q4_0", "Q4_1"] : ["Q8_0"]
      return Promise.all(
        types.map(async (type) => {
          const all = await readGolden("gguf/blocks.safetensors")
          const { bytes: size, decode, packed: held } = typeOf(type)
          // the third block has a d whose −8·d no half holds
          const bytes = Uint8Array.from(all.get(`${type}.bytes`)!.data).slice(3 * size)
          const { packing: found, words } = held!(bytes)!
          expect(found).toBe(packing)
          const blocks = bytes.length / size
          const back = dequantizedOnHost({ packing, words, scales: null, shape: [blocks, 32] })
          const positive = (values: Float32Array) => values.map((value) => value + 0)
          expect(positive(back)).toEqual(positive(decode(bytes)))
        })
      )
    })

    test("a row of any width: off by half a step of its block at most, and one rounding of the step", () => {
      for (const width of [1, 5, 31, 32, 33, 64, 100]) {
        const next = random(width)
        const values = Float32Array.from({ length: 3 * width }, () => 2 * next() - 1)
        const back = dequantizedOnHost(packed(packing, values, [3, width]))
        for (let at = 0; at < values.length; at++) {
          const [row, column] = [Math.floor(at / width), at % width]
          const first = row * width + 32 * Math.floor(column / 32)
          const block = values.subarray(first, Math.min(first + 32, (row + 1) * width))
          const largest = Math.max(...block.map(Math.abs))
          // the largest number of the other sign than the block's largest has no step of its own: 7 of 8 are what is left for it
          const steps = packing === "q4" ? 1 : 0.5
          const step = largest / (packing === "q4" ? 8 : 127)
          // steps are halves: off by 2⁻¹¹ of themselves
          expect(Math.abs(back[at]! - values[at]!)).toBeLessThanOrEqual(steps * step + largest * 2 ** -11)
        }
      }
    })
  })
}

test("a half that is not finite, or whose −8-fold no half holds, is no block here: its numbers are read as float32", () => {
  const blocks = { Q4_0: [0xfb53], Q4_1: [0x7c00, 0x7e00], Q8_0: [0x7c00] } // −60 000; ∞, NaN
  for (const [name, halves] of Object.entries(blocks)) {
    for (const half of halves) {
      const { bytes: size, packed: held } = typeOf(name)
      const bytes = new Uint8Array(2 * size)
      expect(held!(bytes)).not.toBeNull()
      bytes.set([half & 255, half >> 8], size)
      expect(held!(bytes)).toBeNull()
    }
  }
})
