/** Rotary positions of a GGUF file as the `rope_parameters` of transformers' configs. */
import type { ConfigSource } from "./architecture.ts"

/** What Llama 3.1, 3.2 and 3.3 have, all of them: the file holds factors per frequency, not these. */
const llama3 = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 }

/** llama.cpp's base where a file names none */
const DEFAULT_BASE = 10_000

export const rotaryParameters = ({ fields, frequencyFactors }: ConfigSource, headDim: number) => {
  const base = fields.optionalReal("rope.freq_base") ?? DEFAULT_BASE
  const type = fields.value("rope.scaling.type") ?? "none"
  const parameters = { rope_theta: base }
  if (frequencyFactors !== null) {
    const factor = llama3Factor(frequencyFactors, base, headDim)
    if (factor !== undefined) return { ...parameters, rope_type: "llama3", factor, ...llama3 }
    fields.note(
      "tensor rope_freqs.weight holds factors that are not those of Llama 3.1 (low 1, high 4, original length 8192), and others are not read here"
    )
    return parameters
  }
  if (type === "none") return { ...parameters, rope_type: "default" }
  if (type === "linear") return { ...parameters, rope_type: "linear", factor: fields.real("rope.scaling.factor") }
  if (type === "yarn") {
    const original = fields.size("rope.scaling.original_context_length")
    const factor = fields.real("rope.scaling.factor")
    return { ...parameters, rope_type: "yarn", factor, original_max_position_embeddings: original }
  }
  fields.note(
    `rotary scaling ${JSON.stringify(type)} is not read here; expected none, linear, yarn or Llama 3's factors`
  )
  return parameters
}

/**
 * The `factor` with which Llama 3's rule gives these factors of the frequencies; undefined where it does not:
 *
 *   wavelength < original/high: 1      > original/low: factor      between: 1/((1 − t)/factor + t), t = (original/wavelength − low)/(high − low)
 */
const llama3Factor = (factors: Float32Array, base: number, headDim: number): number | undefined => {
  // five digits: what a config says, without the rounding of float32
  const factor = Number(factors.reduce((largest, value) => Math.max(largest, value), 1).toPrecision(5))
  const { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = llama3
  const expected = Array.from({ length: headDim / 2 }, (_, j) => {
    const wavelength = 2 * Math.PI * base ** ((2 * j) / headDim)
    const t = Math.min(1, Math.max(0, (original / wavelength - low) / (high - low)))
    return 1 / ((1 - t) / factor + t)
  })
  // the converter computes in float32
  const close = (value: number, j: number) => Math.abs(value - expected[j]!) <= 1e-4 * expected[j]!
  return factors.length === expected.length && factors.every(close) ? factor : undefined
}
