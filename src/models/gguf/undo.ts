/**
 * What llama.cpp's converter does to weights, undone on the host.
 *
 * Rotary rows. transformers rotates columns j and j + d/2 of a head together, ggml (for the architecture "llama") columns 2j and 2j + 1; the
 * converter moves the rows of W_q and W_k accordingly: row (j, half) of a head stands at 2j + half instead of half·d/2 + j.
 *
 * Norms. Gemma multiplies by 1 + w, ggml by what is stored: w + 1.
 *
 * Conv1D. GPT-2 keeps its weights [in, out], ggml [out, in].
 */

/** `data` [heads·d, columns], rows of each head from ggml's order to transformers'. A bias has one column. */
export const unpermuteRows = (data: Float32Array, heads: number, columns: number): Float32Array => {
  const out = new Float32Array(data.length)
  const headDim = data.length / columns / heads
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < headDim; row++) {
      const from = (head * headDim + row) * columns
      const to = (head * headDim + (row % 2) * (headDim / 2) + (row >> 1)) * columns
      out.set(data.subarray(from, from + columns), to)
    }
  }
  return out
}

/** w from w + 1, rounded to float32 as the sum was: right to 2⁻²⁴ of 1. */
export const minusOne = (data: Float32Array): Float32Array => data.map((value) => value - 1)

/** [rows, columns] → [columns, rows] */
export const transposed = (data: Float32Array, rows: number, columns: number): Float32Array => {
  const out = new Float32Array(data.length)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) out[column * rows + row] = data[row * columns + column]!
  }
  return out
}
