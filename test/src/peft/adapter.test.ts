/** What is said of folders that cannot be used: everything at once, each with what was found and what to do. */
import { afterAll, expect, test } from "bun:test"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { bareName, readPeftAdapter } from "../../../src/peft/index.ts"
import { platform } from "../../../src/platform.ts"
import { type HostTensor, readTensors, writeSafetensors } from "../../../src/safetensors/index.ts"

const golden = join(import.meta.dirname, "../../golden/peft")
const root = mkdtempSync(join(tmpdir(), "tfjs-lora-pro-"))
afterAll(() => rmSync(root, { recursive: true }))

const runs = <A, E>(effect: Effect.Effect<A, E, Effect.Services<ReturnType<typeof readPeftAdapter>>>) =>
  Effect.runPromise(Effect.result(effect).pipe(Effect.provide(platform)))

let count = 0
type Json = Record<string, unknown>

test("a prefix is an encoder's where the module is one of its own: language models and ModernBERT both have model.", () => {
  const names = {
    "bert.encoder.layer.0.output.dense": "encoder.layer.0.output.dense",
    "model.layers.0.attn.Wqkv": "layers.0.attn.Wqkv",
    "model.layers.0.mlp.Wo": "layers.0.mlp.Wo",
    "model.layers.0.self_attn.q_proj": "model.layers.0.self_attn.q_proj",
    "model.layers.0.mlp.up_proj": "model.layers.0.mlp.up_proj"
  }
  for (const [name, bare] of Object.entries(names)) expect(bareName(`base_model.model.${name}`)).toBe(bare)
})

/** A copy of a golden folder with another configuration. */
const folderWith = (change: Json | ((config: Json) => unknown), name = "bert-regex"): string => {
  const folder = join(root, `${count++}`)
  cpSync(join(golden, name), folder, { recursive: true })
  const file = join(folder, "adapter_config.json")
  const config = JSON.parse(readFileSync(file, "utf8")) as Json
  writeFileSync(file, JSON.stringify(typeof change === "function" ? change(config) : { ...config, ...change }))
  return folder
}

/** The same with other tensors. */
const withTensors = async (change: (tensors: Record<string, HostTensor>) => Record<string, HostTensor>) => {
  const folder = folderWith({})
  const file = join(folder, "adapter_model.safetensors")
  const tensors = Object.fromEntries(await Effect.runPromise(readTensors(file).pipe(Effect.provide(platform))))
  await Effect.runPromise(writeSafetensors(file, change(tensors)).pipe(Effect.provide(platform)))
  return folder
}

const said = async (folder: string): Promise<ReadonlyArray<string>> => {
  const result = await runs(readPeftAdapter(folder))
  if (result._tag === "Success") throw new Error("it was read")
  return result.failure.problems
}

test("everything that is not supported is told at once, and defaults of newer releases are not", async () => {
  const folder = folderWith({
    bias: "all",
    layer_replication: [[0, 4]],
    trainable_token_indices: [1],
    target_parameters: ["experts.up"],
    alora_invocation_tokens: [5],
    use_new_idea: true,
    another_idea: null,
    third_idea: {},
    init_lora_weights: "pissa_niter_4"
  })
  expect(await said(folder)).toEqual([
    expect.stringContaining('adapter_config.json: bias: found "all"; training biases'),
    expect.stringContaining('init_lora_weights: found "pissa_niter_4", which changes the base\'s weights'),
    'adapter_config.json: "alora_invocation_tokens": found [5], which is not supported',
    'adapter_config.json: "layer_replication": found [[0,4]], which is not supported',
    'adapter_config.json: "target_parameters": found ["experts.up"], which is not supported',
    'adapter_config.json: "trainable_token_indices": found [1], which is not supported',
    'adapter_config.json: "use_new_idea": found true, which is not supported'
  ])
})

test.each([
  [{ r: 0 }, "adapter_config.json: r: found 0; expected an integer of at least 1"],
  [{ lora_alpha: 0 }, "adapter_config.json: lora_alpha: found 0; expected a number above 0"],
  // PEFT fails on these: None is neither divided nor compared
  [{ lora_alpha: null }, "adapter_config.json: lora_alpha: found null; expected a number above 0"],
  [{ r: null }, "adapter_config.json: r: found null; expected an integer of at least 1"],
  [
    { lora_dropout: null },
    "adapter_config.json: lora_dropout: found null; expected a number of at least 0 and below 1"
  ],
  [{ lora_dropout: 1 }, "adapter_config.json: lora_dropout: found 1; expected a number of at least 0 and below 1"],
  [{ use_dora: "yes" }, 'adapter_config.json: use_dora: found "yes"; expected true or false'],
  [{ target_modules: [1] }, "adapter_config.json: target_modules: found [1]; expected a list of names"],
  [{ rank_pattern: { q: -1 } }, 'adapter_config.json: rank_pattern."q": found -1; expected an integer of at least 1'],
  [
    { layers_to_transform: "1" },
    'adapter_config.json: layers_to_transform: found "1"; expected a layer number or a list of layer numbers'
  ],
  [
    { task_type: "QUESTION_ANS" },
    'adapter_config.json: task_type: found "QUESTION_ANS"; expected "SEQ_CLS", "TOKEN_CLS", "CAUSAL_LM", "FEATURE_EXTRACTION", "SEQ_2_SEQ_LM" or null'
  ],
  [
    { peft_type: "LOKR" },
    'adapter_config.json: peft_type: found "LOKR" (Kronecker products of factors); expected "LORA", "ADALORA", "VERA" or "LOHA"'
  ],
  [
    { target_modules: "(?i).*" },
    'adapter_config.json: target_modules: the pattern "(?i).*" has flags in a group, (?i), which is not supported'
  ],
  [
    { use_dora: true },
    "adapter_model.safetensors: base_model.model.bert.encoder.layer.0.attention.self.query.lora_magnitude_vector is missing"
  ],
  [
    { r: 5 },
    "adapter_model.safetensors: bert.encoder.layer.0.attention.self.query has factors of shapes [4,32] and [32,4], and adapter_config.json says rank 5"
  ],
  [
    { target_modules: ["value"] },
    "adapter_model.safetensors holds factors of layers that target_modules does not match: bert.encoder.layer.0.attention.self.query"
  ]
] as ReadonlyArray<readonly [Json, string]>)("%j", async (change, problem) => {
  const [first] = await said(folderWith(change))
  expect(first).toStartWith(problem)
})

test("a long list, a deep configuration and a large one are told with their limits", async () => {
  const names = Array.from({ length: 1_001 }, (_, i) => `layer${i}`)
  expect((await said(folderWith({ target_modules: names })))[0]).toContain(
    "1,001 entries, more than 1,000 entries (limit adapter-patterns"
  )
  const deep = folderWith({})
  writeFileSync(join(deep, "adapter_config.json"), "[".repeat(1_000))
  expect((await said(deep))[0]).toContain("json-depth")
  writeFileSync(join(deep, "adapter_config.json"), `{"x": "${"y".repeat(3e6)}"}`)
  expect((await said(deep))[0]).toContain("plan-bytes")
  writeFileSync(join(deep, "adapter_config.json"), "[]")
  expect(await said(deep)).toEqual(["adapter_config.json: is not a JSON object"])
})

test("tensors that are not read here are told by their names", async () => {
  const own = { shape: [1], data: Float32Array.of(1) }
  const folder = await withTensors((tensors) => ({
    ...tensors,
    "base_model.model.bert.embeddings.word_embeddings.lora_embedding_A": own,
    "base_model.model.bert.x.lora_bias": own
  }))
  expect(await said(folder)).toEqual([
    expect.stringContaining("adapts embeddings (base_model.model.bert.embeddings.word_embeddings.lora_embedding_A)"),
    "adapter_model.safetensors holds unsupported tensors: base_model.model.bert.x.lora_bias"
  ])
  expect(await said(await withTensors(() => ({ "base_model.model.classifier.weight": own })))).toEqual([
    "adapter_model.safetensors holds no factors of any layer"
  ])
})

test("a folder without an adapter, a pickle, and a run that is not finished say what to do", async () => {
  const [empty, pickle, run, full] = ["empty", "pickle", "run", "full"].map((name) => join(root, name)) as [
    string,
    string,
    string,
    string
  ]
  for (const folder of [empty, pickle, run, join(full, "adapter")]) mkdirSync(folder, { recursive: true })
  for (const file of ["adapter_config.json", "adapter_model.bin"]) writeFileSync(join(pickle, file), "{}")
  for (const folder of [run, full]) writeFileSync(join(folder, "plan.json"), "{}")
  expect(await said(join(root, "nowhere"))).toEqual(["no such folder"])
  expect(await said(empty)).toEqual([
    expect.stringContaining("adapter_config.json is missing; expected a folder written by PEFT's save_pretrained")
  ])
  expect(await said(pickle)).toEqual([
    expect.stringMatching(/adapter_model\.bin, a pickle, which can run arbitrary code.*safe_serialization=True/)
  ])
  expect(await said(run)).toEqual(["is a run without an adapter/, so it is not finished"])
  expect(await said(full)).toEqual([expect.stringContaining("merge it, and use the merged model as model.source")])
  expect(await said("https://example.org/adapter")).toEqual(["is a URL; expected a folder, or hf:owner/name"])
})
