import { expect, test } from "bun:test"
import { fieldsOf } from "../../../../src/models/gguf/architecture.ts"
import { partialFactor, rotaryParameters } from "../../../../src/models/gguf/gated.ts"
import type { Metadata, MetadataValue } from "../../../../src/models/gguf/parse-header.ts"
import golden from "../../../golden/gguf/llama3-factors.json" with { type: "json" }

type Factors = Readonly<Record<string, ReadonlyArray<number>>>
const parameters = (metadata: Metadata, headDim: number, factors: Factors = {}) => {
  const fields = fieldsOf(metadata, "llama")
  const rotaryFactors = new Map(Object.entries(factors).map(([name, values]) => [name, Float32Array.from(values)]))
  return { rope: rotaryParameters({ fields, tensors: new Map(), rotaryFactors }, headDim), problems: fields.problems }
}
const llama3 = (factors: ReadonlyArray<number>): Factors => ({ "rope_freqs.weight": factors })

const base: Metadata = new Map([["llama.rope.freq_base", 500_000]])

test("Llama 3's factors become its parameters", () => {
  for (const name of ["Llama 3.1 8B", "Llama 3.2 1B"] as const) {
    const { headDim, factor, factors } = golden[name]
    expect(factors.length).toBe(headDim / 2)
    expect(parameters(base, headDim, llama3(factors))).toEqual({
      rope: {
        rope_theta: 500_000,
        rope_type: "llama3",
        factor,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192
      },
      problems: []
    })
  }
})

test("factors of another rule are refused", () => {
  for (const name of ["another original length", "another bound"] as const) {
    const { headDim, factors } = golden[name]
    const { problems } = parameters(base, headDim, llama3(factors))
    expect(problems.length).toBe(1)
    expect(problems[0]).toContain("rope_freqs.weight")
  }
  expect(parameters(base, 64, llama3(golden["Llama 3.1 8B"].factors)).problems.length).toBe(1)
})

test("linear and yarn scaling are named with their numbers, other kinds refused", () => {
  const scaled = (type: string) =>
    new Map([...base, ["llama.rope.scaling.type", type], ["llama.rope.scaling.factor", 4]] as const)
  expect(parameters(base, 64).rope).toEqual({ rope_theta: 500_000, rope_type: "default" })
  expect(parameters(scaled("linear"), 64).rope).toEqual({ rope_theta: 500_000, rope_type: "linear", factor: 4 })
  const yarn: Metadata = new Map<string, MetadataValue>([
    ...scaled("yarn"),
    ["llama.rope.scaling.original_context_length", 32_768]
  ])
  expect(parameters(yarn, 64).rope).toEqual({
    rope_theta: 500_000,
    rope_type: "yarn",
    factor: 4,
    original_max_position_embeddings: 32_768
  })
  const more: Metadata = new Map<string, MetadataValue>([
    ...yarn,
    ["llama.rope.scaling.yarn_attn_factor", Math.fround(1.2)],
    ["llama.rope.scaling.yarn_beta_fast", 24],
    ["llama.rope.scaling.yarn_beta_slow", 2],
    ["llama.rope.scaling.yarn_log_multiplier", 0.5]
  ])
  expect(parameters(more, 64).rope).toEqual({
    ...parameters(yarn, 64).rope,
    attention_factor: 1.2,
    beta_fast: 24,
    beta_slow: 2,
    mscale: 1,
    mscale_all_dim: 0.5
  })
  const other: Metadata = new Map<string, MetadataValue>([...yarn, ["llama.rope.scaling.yarn_ext_factor", 0.5]])
  expect(parameters(other, 64).problems).toEqual([
    'rope.scaling.yarn_ext_factor is 0.5; with rotary scaling "yarn" only 1 is supported'
  ])
  expect(parameters(scaled("ntk"), 64).problems).toEqual([
    'rotary scaling "ntk" is not read here; expected none, linear, yarn, longrope or Llama 3\'s factors'
  ])
})

test("LongRoPE is told by its type or its tensors, and needs both of these", () => {
  const original: Metadata = new Map<string, MetadataValue>([
    ...base,
    ["llama.rope.scaling.original_context_length", 4_096]
  ])
  const factors = { "rope_factors_long.weight": [1, 2.5], "rope_factors_short.weight": [1, 1.5] }
  const expected = {
    rope_theta: 500_000,
    rope_type: "longrope",
    original_max_position_embeddings: 4_096,
    short_factor: [1, 1.5],
    long_factor: [1, 2.5]
  }
  expect(parameters(original, 4, factors)).toEqual({ rope: expected, problems: [] })
  const typed: Metadata = new Map<string, MetadataValue>([
    ...original,
    ["llama.rope.scaling.type", "longrope"],
    ["llama.rope.scaling.attn_factor", Math.fround(1.19)]
  ])
  expect(parameters(typed, 4, factors).rope).toEqual({ ...expected, attention_factor: 1.19 })
  expect(parameters(typed, 4, { "rope_factors_long.weight": [1, 2.5] }).problems).toEqual([
    'rotary scaling "longrope" needs the tensors rope_factors_short.weight and rope_factors_long.weight; found rope_factors_long.weight'
  ])
  expect(parameters(base, 4, factors).problems).toEqual([
    "metadata llama.rope.scaling.original_context_length is missing; expected a whole number above 0"
  ])
})

test("a part of a head is a factor that transformers rounds down to its columns", () => {
  for (let headDim = 2; headDim <= 256; headDim += 2) {
    for (let rotary = 2; rotary <= headDim; rotary += 2) {
      expect(Math.floor(headDim * partialFactor(rotary, headDim))).toBe(rotary)
    }
  }
  expect([partialFactor(96, 128), partialFactor(128, 128)]).toEqual([0.75, 1])
})
