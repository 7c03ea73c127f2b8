/** What a folder may say wrong, and what is known of a right one before its weights are read. */
import { afterAll, describe, expect, test } from "bun:test"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { causalClassName, describeCausal, folderSource, loadCausal } from "../../../../src/models/causal/index.ts"
import { failure, goldens, run } from "../golden.ts"
import { folderOf, jsonOf } from "./causal-golden.ts"

const root = mkdtempSync(join(tmpdir(), "causal-"))
afterAll(() => rmSync(root, { recursive: true }))

type Json = Record<string, unknown>

/** Describes a golden with another config, or other tensors in its header. */
const described = (name: string, changes: Json, tensors?: (name: string) => string) =>
  Effect.flatMap(folderSource(folderOf(name)), (source) => {
    const config = { ...(source.config as Json), ...changes }
    const renamed = new Map([...source.tensors].map(([own, tensor]) => [tensors?.(own) ?? own, tensor]))
    return describeCausal({ ...source, config, tensors: renamed })
  })
const problems = async (...args: Parameters<typeof described>) => (await failure(described(...args))).problems

describe("a description", () => {
  test("has every linear layer of the blocks in order, and every number of the checkpoint", async () => {
    const model = await run(described("llama", {}))
    const at = "layers.0"
    expect(model.sites.slice(0, 7)).toEqual([
      { name: `${at}.self_attn.q_proj`, kind: "dense", part: "attention", out: 32, in: 32, bias: false },
      { name: `${at}.self_attn.k_proj`, kind: "dense", part: "attention", out: 16, in: 32, bias: false },
      { name: `${at}.self_attn.v_proj`, kind: "dense", part: "attention", out: 16, in: 32, bias: false },
      { name: `${at}.self_attn.o_proj`, kind: "dense", part: "attention", out: 32, in: 32, bias: false },
      { name: `${at}.mlp.gate_proj`, kind: "dense", part: "mlp", out: 64, in: 32, bias: false },
      { name: `${at}.mlp.up_proj`, kind: "dense", part: "mlp", out: 64, in: 32, bias: false },
      { name: `${at}.mlp.down_proj`, kind: "dense", part: "mlp", out: 32, in: 64, bias: false }
    ])
    expect(model.sites.length).toBe(14)
    // numbers of the golden models, as PyTorch counts them
    for (const [name, numbers] of Object.entries({
      llama: 26_784,
      "llama-tied": 25_248,
      mistral: 26_592,
      qwen2: 27_424,
      qwen3: 28_960,
      gemma2: 25_760,
      gemma3: 31_984,
      gpt2: 30_880,
      "variants/phi3": 12_264
    })) {
      const { parameters, unusedTensors } = await run(described(name, {}))
      const sum = parameters.reduce((total, { shape }) => total + shape.reduce((size, n) => size * n, 1), 0)
      expect([name, sum, unusedTensors]).toEqual([name, numbers, []])
    }
  })

  test("knows sizes, the end of a text, and names of the class", async () => {
    const tied = await run(described("llama-tied", {}))
    const { hiddenSize, headDim, keyValueHeads, vocabularySize, maxLength, eosIds, fanInFanOut, family } = tied
    expect({ hiddenSize, headDim, keyValueHeads, vocabularySize, maxLength, eosIds, fanInFanOut, family }).toEqual({
      hiddenSize: 32,
      headDim: 12,
      keyValueHeads: 1,
      vocabularySize: 160,
      maxLength: 256,
      eosIds: [2],
      fanInFanOut: false,
      family: "llama"
    })
    expect((await run(described("llama", { eos_token_id: [2, 7] }))).eosIds).toEqual([2, 7])
    expect((await run(described("llama", { eos_token_id: null }))).eosIds).toEqual([])
    const gpt2 = await run(described("gpt2", {}))
    expect([gpt2.maxLength, gpt2.fanInFanOut]).toEqual([40, true])
    expect(causalClassName(gpt2, "h.0.attn.c_attn")).toBe("transformer.h.0.attn.c_attn")
    expect(causalClassName(tied, "lm_head.weight")).toBe("lm_head.weight")
    expect(causalClassName(tied, "lm_head")).toBe("lm_head")
  })

  test("finds a backbone that was saved without its head's class, or under the names of an earlier transformers", async () => {
    const gpt2 = await run(described("gpt2", {}, (name) => name.replace("transformer.", "")))
    expect(gpt2.stored.get("wte.weight")).toBe("wte.weight")
    expect(gpt2.prefix).toBe("transformer.")
    const before = (name: string) =>
      name.replace("model.language_model.", "language_model.model.").replace("model.vision_tower", "vision_tower")
    const gemma3 = await run(described("variants/gemma3-vision", {}, before))
    expect(gemma3.stored.get("norm.weight")).toBe("language_model.model.norm.weight")
  })
})

describe("what is refused", () => {
  test("a family that nobody knows, with those that are known", async () => {
    expect(await problems("llama", { model_type: "mamba" })).toEqual([
      'config.json: model_type "mamba"; supported are llama, mistral, qwen2, qwen3, gemma2, gemma3_text, gemma3, phi3, gpt2'
    ])
  })

  test("options that would change the forward pass, all of them at once", async () => {
    const found = await problems("llama", {
      hidden_act: "relu6",
      num_hidden_layers: 0,
      quantization_config: { quant_method: "gptq" }
    })
    expect(found.length).toBe(3)
    expect(found[0]).toContain("quantization_config is set")
    expect(found.slice(1).map((problem) => problem.split(":")[1]?.trim())).toEqual(["num_hidden_layers", "hidden_act"])
    expect(await problems("llama", { num_key_value_heads: 3, head_dim: 7 })).toEqual([
      "config.json: num_attention_heads 4 is not a multiple of num_key_value_heads 3",
      "config.json: head_dim 7 is odd; rotary positions need an even number"
    ])
    expect((await problems("gemma2", { use_bidirectional_attention: true }))[0]).toContain(
      "use_bidirectional_attention"
    )
    expect(await problems("gpt2", { n_embd: 34, n_positions: 40 })).toEqual([
      "config.json: n_embd 34 is not a multiple of its 4 attention heads"
    ])
    expect(await problems("variants/gemma3-vision", { text_config: null })).toEqual([
      "config.json: text_config: Expected object, got null"
    ])
    const { text_config } = (await jsonOf("models/variants/gemma3-vision/config.json")) as { text_config: Json }
    expect(await problems("variants/gemma3-vision", { text_config: { ...text_config, head_dim: 5 } })).toEqual([
      "config.json: text_config.head_dim 5 is odd; rotary positions need an even number"
    ])
    expect(await problems("qwen2", { layer_types: ["full_attention"] })).toEqual([
      "config.json: layer_types has 1 entries for 2 layers"
    ])
  })

  test("rotary positions that nobody computes, that miss a number or have a wrong one", async () => {
    const scaled = (rope_parameters: Json) => problems("llama", { rope_parameters })
    const at = "config.json: rope_parameters:"
    expect(await scaled({ rope_type: "proportional", rope_theta: 1e4, factor: 4 })).toEqual([
      `${at} rope_type "proportional"; supported are default, linear, llama3, dynamic, yarn, longrope`
    ])
    expect(await scaled({ rope_type: "llama3", rope_theta: 1e4, factor: 4, low_freq_factor: 1 })).toEqual([
      `${at} rope_type "llama3" needs high_freq_factor, original_max_position_embeddings`
    ])
    expect(await scaled({ rope_type: "longrope", short_factor: [1, 1, 1, 1] })).toEqual([
      `${at} rope_type "longrope" needs long_factor`
    ])
    expect(await scaled({ rope_type: "longrope", short_factor: [1, 1, 1], long_factor: [1, 1, 1, 1, 1] })).toEqual([
      `${at} short_factor has 3 numbers; expected 4, one for each pair of columns`,
      `${at} long_factor has 5 numbers; expected 4, one for each pair of columns`
    ])
    expect(await scaled({ rope_type: "yarn", factor: -4 })).toEqual([
      "config.json: rope_parameters.factor: Expected a value greater than 0, got -4"
    ])
    // log θ divides
    expect(await scaled({ rope_type: "yarn", rope_theta: 1, factor: 4 })).toEqual([
      `${at} its angles are not finite numbers; check rope_theta and the scaling's factors`
    ])
    for (const [partial, columns] of [
      [0.4, 3],
      [0.1, 0],
      [1.5, 12]
    ]) {
      expect(await scaled({ rope_type: "default", rope_theta: 1e4, partial_rotary_factor: partial })).toEqual([
        `${at} partial_rotary_factor ${partial} turns ${columns} of a head's 8 columns; expected an even number`
      ])
    }
    // the older spelling
    const older = { rope_parameters: null, partial_rotary_factor: 0.4, rope_scaling: { type: "dynamic" } }
    expect(await problems("llama", older)).toEqual([
      "config.json: partial_rotary_factor 0.4 turns 3 of a head's 8 columns; expected an even number",
      'config.json: rope_scaling: rope_type "dynamic" needs factor'
    ])
    // "su" is Phi-3's own word
    expect((await problems("llama", { rope_parameters: null, rope_scaling: { type: "su" } }))[0]).toContain('"su"')
    expect(await problems("variants/phi3", { rope_parameters: { type: "su" } })).toEqual([
      `${at} rope_type "longrope" needs short_factor, long_factor`
    ])
  })

  test("positions that a scaling reaches are the model's, for data and prompts", async () => {
    const reach = async (rope_parameters: Json) => (await run(described("llama", { rope_parameters }))).maxLength
    const own = await reach({ rope_type: "default" })
    expect(await reach({ rope_type: "dynamic", factor: 3 })).toBe(3 * own)
    expect(await reach({ rope_type: "yarn", factor: 4, original_max_position_embeddings: own })).toBe(4 * own)
    expect(await reach({ rope_type: "yarn", factor: 4, original_max_position_embeddings: own / 4 })).toBe(own)
    expect(await reach({ rope_type: "linear", factor: 4 })).toBe(own)
  })

  test("tensors that are missing or have another shape", async () => {
    expect(await problems("llama", {}, (name) => (name === "lm_head.weight" ? "score.weight" : name))).toEqual([
      "weights: lm_head.weight is missing; expected shape [128, 32]"
    ])
    const wider = await problems("gpt2", { n_inner: 120 })
    expect(wider.slice(0, 2)).toEqual([
      // as the file has it: [in, out]
      "weights: transformer.h.0.mlp.c_fc.weight has shape [32, 128]; config.json says [32, 120]",
      "weights: transformer.h.0.mlp.c_fc.bias has shape [128]; config.json says [120]"
    ])
    const another = await problems("llama", { hidden_size: 64, head_dim: 8 })
    expect([another.length, another.at(-1)]).toEqual([11, "weights: and 11 more tensors with the same problem"])
  })

  test("a folder without a config, without weights, without a tokenizer", async () => {
    const empty = mkdtempSync(join(root, "empty-"))
    expect((await failure(folderSource(empty))).problems[0]).toStartWith("config.json: no such file")
    writeFileSync(join(empty, "config.json"), "{}")
    expect((await failure(folderSource(empty))).problems).toEqual([
      "model.safetensors: no such file, and no model.safetensors.index.json either; validate --model-only checks a plan without weights"
    ])
    const loading = Effect.flatMap(folderSource(folderOf("llama")), (source) =>
      Effect.flatMap(describeCausal(source), (description) => loadCausal(source, description))
    )
    expect((await failure(loading)).problems).toEqual([
      "tokenizer.json: no such file; a model needs its tokenizer to read text"
    ])
  })
})

test("a folder's optional files: a template of its own stands over the config's, generation_config says where text ends", async () => {
  const folder = join(root, "chat")
  cpSync(folderOf("llama"), folder, { recursive: true })
  cpSync(join(goldens, "tokenizers/smollm2"), folder, { recursive: true })
  const plain = await run(folderSource(folder))
  expect((plain.tokenizerConfig as Json)["eos_token"]).toBe("<|im_end|>")
  expect(plain.generationConfig).toBeNull()
  writeFileSync(join(folder, "chat_template.jinja"), "{{ messages }}")
  writeFileSync(join(folder, "generation_config.json"), JSON.stringify({ eos_token_id: [2, 0] }))
  const source = await run(folderSource(folder))
  const { chat_template, eos_token } = source.tokenizerConfig as Json
  expect({ chat_template, eos_token }).toEqual({ chat_template: "{{ messages }}", eos_token: "<|im_end|>" })
  expect((await run(describeCausal(source))).eosIds).toEqual([2, 0])
})
