/**
 * What a config of the families of `causal/gated-decoder.ts` says, as metadata of GGUF files: `gated.ts` in the other direction.
 *
 * llama.cpp has an architecture for each family, with what is fixed in its code: which layers have a window, the activation, scales. A
 * config that says otherwise is refused: a file of it would be read, and compute something else.
 */
import * as Result from "effect/Result"
import type { GatedConfig } from "../../causal/gated-config.ts"
import type { Rope } from "../../rotary-rows.ts"
import type { GgufArchitecture, GgufWriting, Hyperparameters } from "../architecture.ts"
import { FREQUENCIES, LONG, llama3, llama3Factors, SHORT } from "../gated.ts"
import { type EncodedValue, encoded } from "./values.ts"

/** Constraints of llama.cpp's code for an architecture, and further metadata. */
export interface GatedWriting {
  readonly architecture: GgufArchitecture
  readonly activation: GatedConfig["activation"]
  /** linear layers whose biases it supports */
  readonly biases: ReadonlyArray<keyof GatedConfig["bias"]>
  /** returns whether a layer has a window; null: every layer may have the same window */
  readonly windows: ((layer: number) => boolean) | null
  /** Returns further metadata. */
  readonly values?: (config: GatedConfig) => Readonly<Record<string, EncodedValue>>
  /** Returns further problems: ends of sentences. */
  readonly problems?: (config: GatedConfig) => ReadonlyArray<string>
  readonly change?: GgufWriting["change"]
}

/** Returns a function that converts a gated decoder's config to metadata, or lists what llama.cpp cannot represent. */
export const gatedHyperparameters = (
  config: GatedConfig,
  writing: GatedWriting
): Result.Result<Hyperparameters, ReadonlyArray<string>> => {
  const rotary = rotaryOf(config.ropes[0]!, config)
  const problems = [...fixedProblems(config, writing), ...rotary.problems, ...(writing.problems?.(config) ?? [])]
  if (problems.length > 0) return Result.fail(problems)
  const { u32, f32 } = encoded
  const window = config.layers.find((layer) => layer.window !== null)?.window ?? null
  const values = {
    block_count: u32(config.layers.length),
    context_length: u32(config.maxLength),
    embedding_length: u32(config.hiddenSize),
    feed_forward_length: u32(config.intermediateSize),
    "attention.head_count": u32(config.attentionHeads),
    "attention.head_count_kv": u32(config.keyValueHeads),
    "attention.key_length": u32(config.headDim),
    "attention.value_length": u32(config.headDim),
    "attention.layer_norm_rms_epsilon": f32(config.normEpsilon),
    ...(window === null ? {} : { "attention.sliding_window": u32(window) }),
    vocab_size: u32(config.vocabularySize),
    ...rotary.values,
    ...writing.values?.(config)
  }
  const unseen =
    writing.windows === null && window !== null && window < config.maxLength
      ? [
          `llama.cpp's ${writing.architecture.name} has no windows: in texts of more than ${window} tokens it attends to more tokens than this model does.`
        ]
      : []
  return Result.succeed({ values, tensors: rotary.tensors, notes: unseen })
}

const layerNames = {
  queryKeyValue: "queries, keys and values",
  attentionOutput: "attention's output",
  mlp: "the MLP"
} as const satisfies Record<keyof GatedConfig["bias"], string>

const fixedProblems = (config: GatedConfig, { activation, biases, windows, architecture }: GatedWriting) => {
  const { layers, bias } = config
  const distinct = new Set(layers.map(({ window }) => window))
  const kinds = Object.entries(layerNames) as ReadonlyArray<[keyof GatedConfig["bias"], string]>
  const foreign = kinds.filter(([layer]) => bias[layer] && !biases.includes(layer)).map(([, name]) => name)
  const misplaced =
    windows === null ? distinct.size > 1 : layers.some(({ window }, layer) => (window !== null) !== windows(layer))
  return [
    ...(config.activation === activation
      ? []
      : [`has the activation "${config.activation}", where llama.cpp's ${architecture.name} has "${activation}"`]),
    ...(foreign.length === 0
      ? []
      : [`has biases of ${foreign.join(" and ")}, which llama.cpp's ${architecture.name} does not read`]),
    ...(misplaced ? [`has windows in other layers than llama.cpp's ${architecture.name} has them in`] : [])
  ]
}

interface RotaryMetadata extends Omit<Hyperparameters, "notes"> {
  readonly problems: ReadonlyArray<string>
}

const rotaryOf = (rope: Rope, { headDim }: GatedConfig): RotaryMetadata => {
  const { u32, f32, string } = encoded
  const { theta, dimensions, scaling } = rope
  const base = { "rope.freq_base": f32(theta), "rope.dimension_count": u32(dimensions) }
  const metadataOf = (
    values: Hyperparameters["values"] = {},
    tensors: Hyperparameters["tensors"] = {}
  ): RotaryMetadata => ({
    values: { ...base, ...values },
    tensors,
    problems: []
  })
  const refused = (problem: string): RotaryMetadata => ({ values: {}, tensors: {}, problems: [problem] })
  if (scaling === null) return metadataOf()
  switch (scaling.kind) {
    case "linear":
      return metadataOf({ "rope.scaling.type": string("linear"), "rope.scaling.factor": f32(scaling.factor) })
    case "llama3": {
      const { lowFrequencyFactor: low, highFrequencyFactor: high, original, factor } = scaling
      const usual = low === llama3.low_freq_factor && high === llama3.high_freq_factor
      if (!usual || original !== llama3.original_max_position_embeddings)
        return refused(`has rotary scaling "llama3" with other factors than Llama 3.1's, which GGUF files cannot store`)
      return metadataOf({}, { [FREQUENCIES]: Float32Array.from(llama3Factors(factor, theta, headDim)) })
    }
    case "yarn": {
      const { factor, original, fast, slow, truncate, attention } = scaling
      const usual = Math.abs(attention - (0.1 * Math.log(factor) + 1)) < 1e-6
      if (fast !== 32 || slow !== 1 || !truncate || !usual)
        return refused(`has rotary scaling "yarn" with unusual factors, but llama.cpp always uses the usual ones`)
      return metadataOf({
        "rope.scaling.type": string("yarn"),
        "rope.scaling.factor": f32(factor),
        "rope.scaling.original_context_length": u32(original)
      })
    }
    case "longrope":
      return metadataOf(
        {
          "rope.scaling.type": string("longrope"),
          "rope.scaling.original_context_length": u32(scaling.original),
          "rope.scaling.attn_factor": f32(scaling.attention)
        },
        { [LONG]: Float32Array.from(scaling.long), [SHORT]: Float32Array.from(scaling.short) }
      )
    case "dynamic":
      return refused(`has rotary scaling "dynamic", which llama.cpp does not have`)
  }
}
