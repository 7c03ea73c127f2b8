/** What a converter did to the rows of a matrix is undone in packed words as in numbers. */
import { expect, test } from "bun:test"
import { llama } from "../../../../src/models/causal/llama.ts"
import { fieldsOf } from "../../../../src/models/gguf/architecture.ts"

const metadata = new Map([
  ["llama.attention.head_count", 4],
  ["llama.attention.head_count_kv", 2]
])

for (const [name, rows] of [
  ["blk.0.attn_q.weight", 32],
  ["blk.0.attn_k.weight", 16]
] as const) {
  test(`${name}: rows of words are moved as rows of numbers`, () => {
    const { values, rows: move } = llama.gguf!.undo(name, [rows, 3], fieldsOf(metadata, "llama"))!
    const numbers = values(Float32Array.from({ length: rows * 3 }, (_, i) => i))
    // five words where a row has three numbers
    const words = move!(
      Int32Array.from({ length: rows * 5 }, (_, i) => i),
      5
    )
    const orderOf = (data: ArrayLike<number>, width: number) =>
      Array.from({ length: rows }, (_, row) => data[row * width]! / width)
    expect(orderOf(words, 5)).toEqual(orderOf(numbers, 3))
    expect(orderOf(words, 5)).not.toEqual(Array.from({ length: rows }, (_, row) => row))
  })
}

test("a tensor whose numbers are changed otherwise has no rows to move", () => {
  expect(llama.gguf!.undo("blk.0.attn_v.weight", [8, 3], fieldsOf(metadata, "llama"))).toBeUndefined()
})
