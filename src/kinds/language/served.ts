/**
 * A language model for generation in other engines. Inputs: tokens, and keys and values of earlier tokens. Outputs: logits, and all keys
 * and values.
 *
 * The forward pass of training with a different attention: keys and values of earlier tokens precede those of the batch, as in
 * `generation/cache.ts`, and `attention_mask` marks the positions of tokens.
 */

import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Adapted } from "../../../adapters/index.ts"
import { isRecord } from "../../boundary/index.ts"
import { withoutGenerationTags } from "../../data/causal/index.ts"
import { attention } from "../../kernels/index.ts"
import {
  type Attend,
  type CausalModel,
  type CheckpointSource,
  logitsOf,
  openSource,
  storedChatTemplate
} from "../../models/causal/index.ts"
import { ModelError, type Network } from "../../models/index.ts"
import { causalTokenizerUse, mergedCausalConfig } from "../../output/index.ts"
import { type Served, type ServedInput, script } from "../contract/served.ts"

/** Maximum number of rows in the tables of angles, which bounds the size of the file. */
const MOST_POSITIONS = 32_768

const cached = (kind: "key" | "value", layer: number) => `past_key_values.${layer}.${kind}`
const present = (kind: "key" | "value", layer: number) => `present.${layer}.${kind}`

const inputsOf = ({ layers, keyValueHeads, headDim }: CausalModel): ReadonlyArray<ServedInput> => {
  const tokens = { stored: "int64", dtype: "int32", shape: ["batch_size", "sequence_length"] } as const
  const past = ["batch_size", keyValueHeads, "past_sequence_length", headDim] as const
  return [
    { ...tokens, name: "input_ids" },
    { ...tokens, name: "attention_mask", shape: ["batch_size", "total_sequence_length"] },
    { ...tokens, name: "position_ids" },
    ...Array.from({ length: layers }, (_, layer) =>
      (["key", "value"] as const).map(
        (kind): ServedInput => ({ name: cached(kind, layer), stored: "float", dtype: "float32", shape: past })
      )
    ).flat()
  ]
}

/** Returns cos and sin of every position, until the scope closes. Fails if they depend on the length of a text. */
const anglesOf = ({
  source,
  decoder,
  maxLength
}: CausalModel): Effect.Effect<ReadonlyArray<readonly [Tensor2D, Tensor2D]>, ModelError, Scope.Scope> =>
  Effect.gen(function* () {
    const positions = Math.min(maxLength, MOST_POSITIONS)
    if (decoder.rotary.some(({ dynamic, classOf }) => dynamic || classOf(1) !== classOf(positions))) {
      const problem =
        "its rotary positions depend on the length of the text, which the exported graph does not support: use --format huggingface"
      return yield* new ModelError({ folder: source, problems: [problem] })
    }
    const rows = Int32Array.from({ length: positions }, (_, i) => i)
    return yield* Effect.acquireRelease(
      Effect.sync(() =>
        decoder.rotary.map(({ at, dimensions }) => {
          const { cos, sin } = at(rows, new Int32Array(positions).fill(positions))
          const table = (values: Float32Array) => tf.tensor2d(values, [positions, dimensions])
          return [table(cos), table(sin)] as const
        })
      ),
      (tables) => Effect.sync(() => tf.dispose(tables.flat()))
    )
  })

/** Reshapes [batch, heads, places, d] to [batch·places, heads·d]. */
const flat = (x: Tensor): Tensor2D => {
  const [batch, heads, places, d] = x.shape as [number, number, number, number]
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * places, heads * d])
}

/** Returns the contents of a .gguf file that a folder would have as JSON files. */
const filesOf = ({ tokenizer, generationConfig }: CheckpointSource): Served["files"] => ({
  ...(isRecord(tokenizer) ? { "tokenizer.json": tokenizer } : {}),
  ...(isRecord(generationConfig) ? { "generation_config.json": generationConfig } : {})
})

export const servedLanguage = (trained: Adapted<CausalModel>, chat: boolean) =>
  Effect.gen(function* () {
    const { model } = trained
    const source = yield* openSource(model.source)
    const isFile = model.source.endsWith(".gguf")
    const angles = yield* anglesOf(model)
    const { keyValueHeads, headDim } = model
    const forward: Served["forward"] = (inputs, linear, weights) => {
      const ids = inputs["input_ids"] as Tensor2D
      const [size, length] = ids.shape
      // −1: padding
      const segments = tf.sub(inputs["attention_mask"]!, tf.scalar(1, "int32"))
      const total = segments.shape[1]!
      const keySegments = tf.reshape(segments, [size * total]) as Tensor1D
      const querySlice = tf.slice(segments, [0, total - length], [size, length])
      const querySegments = tf.reshape(querySlice, [size * length]) as Tensor1D
      const positions = tf.reshape(inputs["position_ids"]!, [size * length]) as Tensor1D
      const outputs: Record<string, Tensor> = {}
      const attend: Attend = (layer, q, k, v, { window, ...heads }) => {
        const joined = (kind: "key" | "value", fresh: Tensor2D) => {
          const heads = tf.transpose(tf.reshape(fresh, [size, length, keyValueHeads, headDim]), [0, 2, 1, 3])
          const all = tf.concat([inputs[cached(kind, layer)] as Tensor4D, heads as Tensor4D], 2)
          outputs[present(kind, layer)] = tf.keep(all)
          return flat(all)
        }
        const [K, V] = [joined("key", k), joined("value", v)]
        const segmentsOfBoth = { queries: querySegments, keys: keySegments }
        return attention({ q, k: K, v: V, ...heads, mask: { causal: true, window, segments: segmentsOfBoth } })
      }
      const input = {
        size,
        length,
        inputIds: tf.reshape(ids, [size * length]) as Tensor1D,
        positions,
        segments: querySegments,
        rotary: angles.map(([cos, sin]) => ({
          cos: tf.gather(cos, positions) as Tensor2D,
          sin: tf.gather(sin, positions) as Tensor2D
        })),
        attend
      }
      const out = model.forward(input, linear, weights)
      const logits = logitsOf(out.hidden, out)
      return { logits: tf.reshape(logits, [size, length, logits.shape[1]]), ...outputs }
    }
    const tokenizer = causalTokenizerUse(model, source.config)
    const sourceConfig = isFile && isRecord(source.tokenizerConfig) ? source.tokenizerConfig : {}
    const { chatTemplate } = model.tokenizer
    const planned = chatTemplate !== null && chatTemplate !== storedChatTemplate(source)
    const tokenizerConfig = {
      ...sourceConfig,
      add_bos_token: tokenizer.ends.begins,
      ...(planned ? { chat_template: withoutGenerationTags(chatTemplate) } : {})
    }
    const served: Served = {
      adapted: trained as Adapted<Network>,
      base: isFile ? null : model.source,
      tokenizer,
      task: "text-generation",
      inputs: inputsOf(model),
      // the last size is the sum of the two before
      axes: {
        batch_size: [2, 3],
        sequence_length: [5, 7],
        past_sequence_length: [8, 16],
        total_sequence_length: [13, 23]
      },
      forward,
      config: mergedCausalConfig(source.config, model),
      // transformers.js's pipeline prepends only the tokens that this file states, and ignores tokenizer.json
      files: { ...(isFile ? filesOf(source) : {}), "tokenizer_config.json": tokenizerConfig },
      usage: [
        script("pipeline", [
          'const write = await pipeline("text-generation", "folder")',
          chat
            ? 'const messages = [{ role: "user", content: "your question" }]'
            : 'const messages = "the beginning of a text"',
          "console.log(await write(messages, { max_new_tokens: 64 }))"
        ])
      ]
    }
    return served
  })
