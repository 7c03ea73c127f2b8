/** One of ggml's storage types: values in blocks, each of a fixed number of bytes. */
import { fromFloat16 } from "../../numbers/index.ts"

export interface BlockType {
  readonly name: string
  /** of one block */
  readonly elements: number
  readonly bytes: number
  /** whole blocks → float32 */
  readonly decode: (bytes: Uint8Array<ArrayBuffer>) => Float32Array
}

/** The half-precision number at byte `at` of every block of `size` bytes. */
export const halves = (bytes: Uint8Array, size: number, at: number): Float32Array => {
  const bits = new Uint16Array(bytes.length / size)
  for (let block = 0; block < bits.length; block++) {
    const place = block * size + at
    bits[block] = bytes[place]! | (bytes[place + 1]! << 8)
  }
  return fromFloat16(bits)
}
