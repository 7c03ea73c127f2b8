import { expect, test } from "bun:test"
import { fieldsOf } from "../../../../src/models/gguf/fields.ts"
import type { Metadata } from "../../../../src/models/gguf/gguf-file.ts"
import { rotaryParameters } from "../../../../src/models/gguf/rotary.ts"
import golden from "../../../golden/gguf/llama3-factors.json" with { type: "json" }

const parameters = (metadata: Metadata, headDim: number, factors: ReadonlyArray<number> | null = null) => {
  const fields = fieldsOf(metadata, "llama")
  const header = { file: "x.gguf", metadata, tensors: new Map() }
  const frequencyFactors = factors === null ? null : Float32Array.from(factors)
  return { rope: rotaryParameters({ header, fields, frequencyFactors }, headDim), problems: fields.problems }
}

const base: Metadata = new Map([["llama.rope.freq_base", 500_000]])

test("Llama 3's factors become its parameters", () => {
  for (const name of ["Llama 3.1 8B", "Llama 3.2 1B"] as const) {
    const { headDim, factor, factors } = golden[name]
    expect(factors.length).toBe(headDim / 2)
    expect(parameters(base, headDim, factors)).toEqual({
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
    const { problems } = parameters(base, headDim, factors)
    expect(problems.length).toBe(1)
    expect(problems[0]).toContain("rope_freqs.weight")
  }
  expect(parameters(base, 64, golden["Llama 3.1 8B"].factors).problems.length).toBe(1)
})

test("linear and yarn scaling are named with their numbers, other kinds refused", () => {
  const scaled = (type: string) =>
    new Map([...base, ["llama.rope.scaling.type", type], ["llama.rope.scaling.factor", 4]] as const)
  expect(parameters(base, 64).rope).toEqual({ rope_theta: 500_000, rope_type: "default" })
  expect(parameters(scaled("linear"), 64).rope).toEqual({ rope_theta: 500_000, rope_type: "linear", factor: 4 })
  const yarn = new Map([...scaled("yarn"), ["llama.rope.scaling.original_context_length", 32_768]] as const)
  expect(parameters(yarn, 64).rope).toEqual({
    rope_theta: 500_000,
    rope_type: "yarn",
    factor: 4,
    original_max_position_embeddings: 32_768
  })
  expect(parameters(scaled("longrope"), 64).problems).toEqual([
    'rotary scaling "longrope" is not read here; expected none, linear, yarn or Llama 3\'s factors'
  ])
})
