/** The oracle for packed weights: the engine's own typed arrays take the words apart. */
import type { PackedHostMatrix } from "../../../src/numbers/index.ts"

/** W [out, in] in float32. */
export const dequantizedOnHost = ({ packing, words, scales, shape: [out, inputs] }: PackedHostMatrix): Float32Array => {
  const stored = packing === "f16" ? new Float16Array(words.buffer) : new Int8Array(words.buffer)
  const perRow = stored.length / out
  return Float32Array.from({ length: out * inputs }, (_, at) => {
    const row = Math.floor(at / inputs)
    return stored[row * perRow + (at % inputs)]! * scales[row]!
  })
}
