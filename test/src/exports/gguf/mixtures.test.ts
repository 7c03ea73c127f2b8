/** Types of tensors by llama-quantize's rules, for SmolLM2-135M's sizes and Llama 3.2 1B's. */
import { expect, test } from "bun:test"
import { type MixtureName, typeOf } from "../../../../src/exports/gguf/mixtures.ts"

const types = (mixture: MixtureName, columns: number, blocks: number, tied: boolean, names: ReadonlyArray<string>) =>
  names.map((name) => typeOf(mixture, name, [64, columns], { blocks, tied }).name)

const names = [
  "token_embd.weight",
  "blk.5.attn_q.weight",
  "blk.0.attn_v.weight",
  "blk.4.ffn_down.weight",
  "blk.5.ffn_down.weight",
  "output.weight"
]

test.each([
  // rows of 576 are no whole blocks of 256
  ["q4_k", 576, 30, true, ["Q8_0", "Q5_0", "Q8_0", "Q5_0", "Q8_0", "Q5_0"]],
  ["q4_k", 2048, 16, false, ["Q4_K", "Q4_K", "Q6_K", "Q6_K", "Q4_K", "Q6_K"]],
  ["q4_0", 2048, 16, true, ["Q6_K", "Q4_0", "Q4_0", "Q4_0", "Q4_0", "Q4_0"]],
  ["q4_0", 576, 30, true, ["Q8_0", "Q4_0", "Q4_0", "Q4_0", "Q4_0", "Q4_0"]],
  ["q8_0", 2048, 16, false, Array(6).fill("Q8_0")],
  ["q8_0", 24, 16, false, Array(6).fill("F16")],
  ["f16", 24, 16, false, Array(6).fill("F16")]
] as const)("%s with rows of %i", (mixture, columns, blocks, tied, expected) => {
  expect(types(mixture, columns, blocks, tied, names)).toEqual([...expected])
})

test("what is no matrix stays in float32, and so do positions", () => {
  const facts = { blocks: 2, tied: true }
  for (const mixture of ["f16", "q8_0", "q4_0", "q4_k"] as const) {
    const found = [
      typeOf(mixture, "blk.0.attn_norm.weight", [256], facts),
      typeOf(mixture, "blk.0.attn_q.bias", [256], facts),
      typeOf(mixture, "rope_freqs.weight", [32], facts),
      typeOf(mixture, "position_embd.weight", [40, 256], facts)
    ]
    expect(found.map(({ name }) => name)).toEqual(["F32", "F32", "F32", "F32"])
  }
})
