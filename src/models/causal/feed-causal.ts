/** A batch of token rows as tensors. The caller's tidy owns them. */
import * as tf from "@tensorflow/tfjs"
import type { CausalRows } from "../../tensors/index.ts"
import type { CausalModel } from "./causal-model.ts"
import type { Decoder } from "./decoder.ts"

type Fed = Pick<Decoder, "rotary" | "vocabularySize" | "maxLength">

/** Also for a batch that continues texts of a cache: its positions go on from there. Throws on an id or position that has no row. */
export const feedCausal =
  ({ rotary, vocabularySize, maxLength }: Fed): CausalModel["feed"] =>
  (batch: CausalRows) => {
    const { size, length, inputIds, labels, segments, positions } = batch
    const tokens = size * length
    // a lookup beyond a table's end reads whatever lies there, on wasm without a word
    checkRows("token id", inputIds, vocabularySize)
    if (rotary.length === 0) checkRows("position", positions, maxLength)
    const lengths = textLengths(batch)
    return {
      input: {
        size,
        length,
        inputIds: tf.tensor1d(inputIds, "int32"),
        positions: tf.tensor1d(positions, "int32"),
        segments: tf.tensor1d(segments, "int32"),
        rotary: rotary.map(({ dimensions, at }) => {
          const { cos, sin } = at(positions, lengths)
          const rows = (values: Float32Array) => tf.tensor2d(values, [tokens, dimensions])
          return { cos: rows(cos), sin: rows(sin) }
        })
      },
      target: tf.tensor1d(labels, "int32"),
      mask: tf.tensor1d(Float32Array.from(segments, (segment) => (segment < 0 ? 0 : 1)))
    }
  }

/** Of each token: how many tokens its text has. int32 [size·length] */
const textLengths = ({ size, length, segments, positions, textLengths: given }: CausalRows): Int32Array => {
  const lengths = new Int32Array(size * length)
  for (let row = 0; row < size; row++) {
    const end = (row + 1) * length
    for (let from = row * length; from < end; ) {
      let to = from + 1
      while (to < end && segments[to] === segments[from]) to++
      const largest = positions.subarray(from, to).reduce((most, position) => Math.max(most, position), 0)
      lengths.fill(given?.[row] ?? largest + 1, from, to)
      from = to
    }
  }
  return lengths
}

const checkRows = (what: string, values: Int32Array, rows: number): void => {
  const wrong = values.find((value) => value < 0 || value >= rows)
  if (wrong !== undefined) throw new RangeError(`${what} ${wrong} has no row: the model's table has ${rows}`)
}
