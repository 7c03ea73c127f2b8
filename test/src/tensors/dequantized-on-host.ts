/** The oracle for packed weights: the engine's own typed arrays take the words apart. */
import type { PackedHostMatrix } from "../../../src/numbers/index.ts"

/** W [out, in] in float32. */
export const dequantizedOnHost = ({ packing, words, scales, shape: [out, inputs] }: PackedHostMatrix): Float32Array => {
  const number = scales === null ? inBlocks(packing, words) : undefined
  const stored = packing === "f16" ? new Float16Array(words.buffer) : new Int8Array(words.buffer)
  const perRow = words.length / out
  return Float32Array.from({ length: out * inputs }, (_, at) => {
    const row = Math.floor(at / inputs)
    const column = at % inputs
    if (number !== undefined) return number(row * perRow, column)
    return stored[row * (stored.length / out) + column]! * scales![row]!
  })
}

/** A number of the row that begins at a word, computed in float64. */
const inBlocks = (packing: string, words: Int32Array) => {
  const [halves, bytes] = [new Float16Array(words.buffer), new Uint8Array(words.buffer)]
  const size = packing === "q4" ? 5 : 9
  return (row: number, column: number): number => {
    const block = row + size * Math.floor(column / 32)
    const [d, m] = [halves[2 * block]!, halves[2 * block + 1]!]
    const place = column % 32
    if (packing === "q8") return d * ((bytes[4 * block + 4 + place]! << 24) >> 24)
    const pair = bytes[4 * block + 4 + (place % 16)]!
    return d * (place < 16 ? pair & 15 : pair >> 4) + m
  }
}
