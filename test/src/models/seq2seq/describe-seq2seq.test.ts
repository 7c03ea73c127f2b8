/** What config.json and the weights may say of a T5, and what is wrong with them: all of it at once. */
import { describe, expect, test } from "bun:test"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { describeCausal, folderSource } from "../../../../src/models/causal/index.ts"
import { describe as describeModel } from "../../../../src/models/describe.ts"
import { describeSeq2Seq } from "../../../../src/models/seq2seq/index.ts"
import { WeightlessFolders } from "../../../../src/models/source.ts"
import { folderOf, jsonOf } from "../causal/causal-golden.ts"
import { failure, run, runScoped } from "../golden.ts"
import { withConfig } from "./seq2seq-golden.ts"

const config = (await jsonOf("models/t5/config.json")) as Record<string, unknown>

/** All that is wrong with the golden under another config. */
const problemsOf = (changes: Record<string, unknown>) =>
  runScoped(
    Effect.gen(function* () {
      const folder = yield* withConfig("t5", { ...config, ...changes })
      return (yield* Effect.flip(describeSeq2Seq(folder))).problems
    })
  )

describe("a description", () => {
  test("has sizes, sites and names of transformers' class", async () => {
    const {
      network: _,
      stored,
      unusedTensors,
      exported,
      sites,
      parameters,
      ...facts
    } = await run(describeSeq2Seq(folderOf("t5-v1_1")))
    expect(facts).toMatchObject({
      family: "t5",
      hiddenSize: 32,
      layers: 2,
      decoderLayers: 2,
      attentionHeads: 4,
      headDim: 8,
      intermediateSize: 64,
      vocabularySize: 112,
      startId: 0,
      eosId: 1,
      padId: 0,
      tied: false
    })
    // 4 of attention and 3 of the feed-forward layer, and 4 of cross attention in the decoder
    expect(sites.length).toBe(2 * (4 + 3) + 2 * (4 + 4 + 3))
    expect(sites.every(({ bias }) => bias === false)).toBe(true)
    expect(new Set(parameters.map(({ name }) => name))).toEqual(new Set(stored.keys()))
    expect(unusedTensors).toEqual([])
    expect(exported.nameOf(sites[0]!.name)).toBe("encoder.block.0.layer.0.SelfAttention.q")
    expect(exported.tiedTo("lm_head.weight")).toEqual([])
    const tied = await run(describeSeq2Seq(folderOf("t5")))
    expect(tied.tied).toBe(true)
    const stacks = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
    expect(exported.tiedTo("shared.weight")).toEqual(stacks)
    expect(tied.exported.tiedTo("shared.weight")).toEqual([...stacks, "lm_head.weight"])
  })

  test("names everything that is wrong with a config at once", async () => {
    expect(
      await problemsOf({
        d_kv: 0,
        feed_forward_proj: "gated-tanh",
        is_encoder_decoder: false,
        quantization_config: { bits: 4 }
      })
    ).toEqual([
      "config.json: quantization_config is set; expected a checkpoint whose weights are stored as float numbers",
      "config.json: d_kv: Expected a value greater than 0, got 0",
      "config.json: is_encoder_decoder: Expected true | null, got false",
      'config.json: feed_forward_proj: Expected "relu" | "gated-relu" | "gated-gelu" | "gated-gelu_new" | "gated-silu", got "gated-tanh"'
    ])
    expect(
      await problemsOf({
        relative_attention_num_buckets: 7,
        relative_attention_max_distance: 3,
        is_gated_act: true,
        eos_token_id: [112, 1],
        decoder_start_token_id: 500
      })
    ).toEqual([
      'config.json: dense_act_fn "relu" and is_gated_act true are not what feed_forward_proj "relu" means ("relu", false)',
      "config.json: relative_attention_num_buckets is 7; expected an even number of at least 4",
      "config.json: relative_attention_max_distance is 3; expected more than half of its 7 buckets",
      "config.json: eos_token_id is 112; the vocabulary has the ids 0 to 111",
      "config.json: decoder_start_token_id is 500; the vocabulary has the ids 0 to 111"
    ])
  })

  test("is none of another kind of model, and no other is one", async () => {
    expect(await problemsOf({ model_type: "bert" })).toEqual([
      'config.json: model_type "bert"; supported are t5, mt5, umt5'
    ])
    const t5 = folderOf("t5")
    const asEncoder = await failure(describeModel(t5, { pooling: "mean", head: "new", labels: ["a"] }))
    const asDecoder = await failure(Effect.flatMap(folderSource(t5), describeCausal))
    for (const { problems } of [asEncoder, asDecoder]) {
      expect(problems).toEqual([expect.stringMatching(/^config.json: model_type "t5"; supported are [\w, ]+$/)])
    }
  })

  test("comes from config.json alone where there are no weights and none are needed", async () => {
    const described = (name: string) =>
      runScoped(
        Effect.gen(function* () {
          const folder = yield* withConfig(name, yield* Effect.promise(() => jsonOf(`models/${name}/config.json`)))
          yield* Effect.promise(() => rm(join(folder, "model.safetensors")))
          const { tied, parameters } = yield* Effect.provideService(describeSeq2Seq(folder), WeightlessFolders, true)
          const whole = yield* describeSeq2Seq(folderOf(name))
          expect(parameters).toEqual(whole.parameters)
          return tied
        })
      )
    expect([await described("t5"), await described("t5-v1_1"), await described("mt5")]).toEqual([true, false, false])
  })

  test("names every tensor that is missing or of another shape", async () => {
    expect(await problemsOf({ num_layers: 3, d_ff: 65 })).toContain(
      "weights: encoder.block.2.layer.0.SelfAttention.q.weight is missing; expected shape [32, 32]"
    )
    expect(await problemsOf({ d_ff: 65 })).toContain(
      "weights: encoder.block.0.layer.1.DenseReluDense.wi.weight has shape [64, 32]; config.json says [65, 32]"
    )
  })
})
