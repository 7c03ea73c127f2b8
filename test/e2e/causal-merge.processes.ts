/**
 * Runs of causal language models merged: the tensors that the equation says, the logits of the run, PEFT's own numbers of a merged
 * golden, and the same model in transformers.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { openSource } from "../../src/models/causal/index.ts"
import { MERGE_BOUND } from "../../src/output/index.ts"
import { mergedCausalConfig, writeMergedCausal } from "../../src/output/merged-causal.ts"
import type { HostTensor } from "../../src/safetensors/index.ts"
import { loadCausalRun, mergeRun } from "../../src/trained/index.ts"
import { expectClose, relativeError, tolerance } from "../setup.ts"
import { readGolden } from "../src/models/golden.ts"
import { gguf } from "./causal-gguf.ts"
import { modelLogits, onOneThread, runLogits } from "./causal-logits.ts"
import { hasPeft, inPython, type PythonAnswer } from "./causal-python.ts"
import { causalData, causalPlan, decoder, writeRows } from "./causal-workspace.ts"
import { listing, onWasm, type Plan, repository, succeed, TIMEOUT, tensorsIn, workspace } from "./fixtures.ts"
import { complete } from "./train-here.ts"

const w = workspace()
const withPeft = await hasPeft(w)

const lora = { method: "lora", rank: 4, alpha: 8 }
const adamw = { kind: "adamw", learningRate: 1e-2 }
/** ids of both vocabularies */
const ids = [
  [1, 4, 9, 10, 11, 12, 30, 2],
  [1, 40, 30, 20, 10, 5, 9, 9, 17, 21, 2]
]

interface Case {
  readonly name: string
  readonly plan: Plan
  /** tensors with what was trained, as the run rounded them, as in the base */
  readonly counts: readonly [merged: number, rounded: number, copied: number]
  readonly class: string
}

const cases: ReadonlyArray<Case> = [
  { name: "llama", plan: causalPlan("llama", "chat"), counts: [14, 0, 7], class: "LlamaForCausalLM" },
  {
    name: "llama, tied, in 8 bits",
    plan: causalPlan("llama-tied", "text", {
      model: { source: "llama-tied", weights: "int8" },
      adapter: { ...lora, targets: ["q_proj", "v_proj"], modulesToSave: ["embed_tokens"] }
    }),
    counts: [5, 10, 5],
    class: "LlamaForCausalLM"
  },
  {
    name: "llama, output layer and norm",
    plan: causalPlan("llama", "completion", { adapter: { ...lora, modulesToSave: ["lm_head", "norm"] } }),
    counts: [16, 0, 5],
    class: "LlamaForCausalLM"
  },
  {
    name: "gpt2, dora",
    plan: causalPlan("gpt2", "text", { adapter: { ...lora, method: "dora" }, optimizer: adamw }),
    counts: [8, 0, 20],
    class: "GPT2LMHeadModel"
  },
  {
    name: "gpt2, in half precision",
    plan: causalPlan("gpt2", "chat", {
      model: { source: "gpt2", weights: "f16" },
      adapter: { ...lora, targets: ["c_attn"] }
    }),
    counts: [2, 6, 20],
    class: "GPT2LMHeadModel"
  },
  {
    name: "gpt2, full",
    plan: causalPlan("gpt2", "chat", { adapter: { method: "full" }, optimizer: adamw }),
    counts: [16, 0, 12],
    class: "GPT2LMHeadModel"
  },
  { name: "llama.gguf", plan: causalPlan("llama.gguf", "text"), counts: [14, 0, 7], class: "LlamaForCausalLM" },
  {
    name: "gpt2.gguf",
    plan: causalPlan("gpt2.gguf", "text", { data: causalData("text", { maxLength: 40 }) }),
    counts: [8, 0, 20],
    class: "GPT2LMHeadModel"
  },
  {
    name: "gemma3",
    plan: causalPlan("gemma3", "chat", { adapter: { ...lora, init: { kind: "pissa" } } }),
    counts: [21, 0, 20],
    class: "Gemma3ForCausalLM"
  },
  { name: "qwen2", plan: causalPlan("qwen2", "chat"), counts: [14, 0, 13], class: "Qwen2ForCausalLM" }
]

const folderOf = ({ name }: Pick<Case, "name">): string => `runs/${name.replaceAll(/\W+/g, "-")}`

beforeAll(async () => {
  for (const model of ["llama", "llama-tied", "gpt2", "gemma3", "qwen2"] as const) decoder(w, model)
  for (const model of ["llama", "gpt2"] as const) gguf(w, model)
  writeRows(w)
  for (const one of cases) await complete(w, w.write("plan.json", one.plan), folderOf(one))
}, TIMEOUT)

const merge = (run: string, out?: string) =>
  onOneThread(mergeRun(w.path(run), out === undefined ? {} : { out: w.path(out) }))

describe("merged, it computes what the run computes:", () => {
  for (const one of cases) {
    test(
      one.name,
      async () => {
        const run = folderOf(one)
        const { tensors, check } = await merge(run)
        const { merged, rounded, copied } = tensors
        expect([merged, rounded, copied]).toEqual([...one.counts])
        expect(check.relativeDifference).toBeLessThan(MERGE_BOUND)
        expect(check.rows).toBeGreaterThan(6)
        const [ours, theirs] = [await runLogits(w.path(run), ids), await modelLogits(w.path(`${run}/merged`), ids)]
        // float32, W + s·BA once against s·B(Ax) beside Wx
        for (const [i, logits] of ours.entries()) expectClose(theirs[i]!, logits, tolerance.forward)
        // and it is not the base
        const { model } = one.plan as unknown as { readonly model: { readonly source: string } }
        const base = await modelLogits(w.path(model.source), ids)
        expect(relativeError(base[0]!, ours[0]!)).toBeGreaterThan(1e-2)
        expect(w.json(`${run}/merged/config.json`)["architectures"]).toEqual([one.class])
      },
      TIMEOUT
    )
  }
})

/** W + (α/r)·BA in float64, all [out, in]. */
const sum = (W: Float64Array, A: HostTensor, B: HostTensor, scale: number): Float64Array => {
  const [rank, inputs] = A.shape as readonly [number, number]
  return W.map((value, at) => {
    const [out, column] = [Math.floor(at / inputs), at % inputs]
    let change = 0
    for (let k = 0; k < rank; k++) change += B.data[out * rank + k]! * A.data[k * inputs + column]!
    return value + scale * change
  })
}

const turned = ({ shape: [rows, columns], data }: HostTensor): Float64Array =>
  Float64Array.from(data, (_, at) => data[(at % rows!) * columns! + Math.floor(at / rows!)]!)

describe("the file's tensors", () => {
  test.each([
    ["llama", false],
    ["gpt2.gguf", true]
  ] as const)("of %s are base + s·BA under transformers' names", async (name, conv1d) => {
    const run = folderOf({ name })
    const merged = await tensorsIn(w, `${run}/merged/model.safetensors`)
    // the golden folder that the GGUF file was made of
    const base = await tensorsIn(w, `${name.replace(".gguf", "")}/model.safetensors`)
    const adapter = await tensorsIn(w, `${run}/adapter/adapter_model.safetensors`)
    expect([...merged.keys()].sort()).toEqual([...base.keys()].sort())
    let changed = 0
    for (const [key, stored] of base) {
      const found = merged.get(key)!
      expect([key, found.shape]).toEqual([key, stored.shape])
      const module = `base_model.model.${key.replace(/\.weight$/, "")}`
      const A = adapter.get(`${module}.lora_A.weight`)
      if (A === undefined) {
        expect(found.data).toEqual(stored.data)
        continue
      }
      changed++
      const W = conv1d ? turned(stored) : Float64Array.from(stored.data)
      const expected = sum(W, A, adapter.get(`${module}.lora_B.weight`)!, 8 / 4)
      // a product of rank 4, rounded once
      expectClose(conv1d ? turned(found) : found.data, expected, 1e-6)
    }
    expect(changed).toBe(conv1d ? 8 : 14)
  })

  test("of a golden adapter are PEFT's own: its merged model's logits", async () => {
    const run = folderOf({ name: "llama" })
    cpSync(w.path(run), w.path("runs/golden"), { recursive: true })
    const file = "adapter/adapter_model.safetensors"
    cpSync(join(repository, "test/golden/models/llama", file), w.path(join("runs/golden", file)))
    const { check } = await merge("runs/golden", "golden")
    expect(check.relativeDifference).toBeLessThan(MERGE_BOUND)
    const io = await readGolden("models/llama/io.safetensors")
    const [size, length] = io.get("input_ids")!.shape as readonly [number, number]
    const all = Array.from(io.get("input_ids")!.data)
    const mask = io.get("attention_mask")!.data
    const { data } = (await readGolden("models/llama/adapter_io.safetensors")).get("logits_merged")!
    let compared = 0
    for (let row = 0; row < size; row++) {
      const tokens = [...mask.subarray(row * length, (row + 1) * length)].filter((is) => is === 1).length
      // padding stands behind
      const [logits] = await modelLogits(w.path("golden"), [all.slice(row * length, row * length + tokens)])
      expectClose(logits!, data.subarray(row * length * 128, (row * length + tokens) * 128), tolerance.forward)
      compared += tokens
    }
    expect(compared).toBeGreaterThan(20)
  })

  test("in shards are the same", async () => {
    const run = w.path(folderOf({ name: "llama" }))
    w.write("sharded/empty", "")
    await onOneThread(
      Effect.gen(function* () {
        const { adapted } = yield* loadCausalRun(run)
        const source = yield* openSource(adapted.model.source)
        yield* writeMergedCausal(adapted, source, w.path("sharded"), { shardBytes: 40_000 })
      })
    )
    const { metadata, weight_map: places } = w.json("sharded/model.safetensors.index.json") as never as {
      readonly metadata: { readonly total_size: number }
      readonly weight_map: Readonly<Record<string, string>>
    }
    const whole = await tensorsIn(w, `${folderOf({ name: "llama" })}/merged/model.safetensors`)
    const shards = [...new Set(Object.values(places))]
    expect(shards).toEqual([
      "model-00001-of-00003.safetensors",
      "model-00002-of-00003.safetensors",
      "model-00003-of-00003.safetensors"
    ])
    expect(metadata.total_size).toBe([...whole.values()].reduce((sum, { data }) => sum + data.byteLength, 0))
    for (const shard of shards) {
      expect(w.bytes(`sharded/${shard}`).length).toBeLessThan(40_000 + 4_000)
      for (const [name, { data }] of await tensorsIn(w, `sharded/${shard}`)) {
        expect(places[name]).toBe(shard)
        expect(data).toEqual(whole.get(name)!.data)
      }
    }
    expect(Object.keys(places).length).toBe(whole.size)
    const [sharded] = await modelLogits(w.path("sharded"), ids)
    const [single] = await modelLogits(join(run, "merged"), ids)
    expect(sharded).toEqual(single!)
  })
})

describe("merge RUN", () => {
  test(
    "makes a folder with everything that the base's has, and says how exact it is",
    async () => {
      const run = folderOf({ name: "llama" })
      w.write("llama/generation_config.json", { eos_token_id: [2], max_length: 20 })
      w.write("llama/LICENSE", "as you like")
      const { stdout } = await succeed(w.cli(["merge", run, "--out", "out", ...onWasm]))
      expect(stdout).toContain("out/ contains the merged model: 14 tensors include the adapter, 7 are unchanged")
      expect(listing(w.path("out"))).toEqual([
        "LICENSE",
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json"
      ])
      for (const file of ["tokenizer.json", "generation_config.json", "LICENSE"]) {
        expect(w.bytes(`out/${file}`)).toEqual(w.bytes(`llama/${file}`))
      }
      expect(w.json("out/tokenizer_config.json")).toEqual({
        ...w.json("llama/tokenizer_config.json"),
        padding_side: "left",
        model_input_names: ["input_ids", "attention_mask"]
      })
      expect(w.read("out/README.md")).toContain("LoRA of rank 4 (s = 2) in 14 linear layers, trained for 12 steps")
    },
    TIMEOUT
  )

  test("of a GGUF file writes its tokenizer and template", () => {
    const merged = `${folderOf({ name: "llama.gguf" })}/merged`
    expect(w.json(`${merged}/tokenizer_config.json`)["chat_template"]).toContain("{% for message in messages %}")
    expect(w.json(`${merged}/generation_config.json`)).toMatchObject({ bos_token_id: 1, eos_token_id: 2 })
    expect(w.json(`${merged}/config.json`)).toMatchObject({ model_type: "llama", dtype: "float32" })
  })

  test(
    "refuses a damaged adapter, and leaves nothing",
    async () => {
      cpSync(w.path(folderOf({ name: "qwen2" })), w.path("runs/damaged"), { recursive: true })
      const file = w.path("runs/damaged/adapter/adapter_model.safetensors")
      writeFileSync(file, readFileSync(file).subarray(0, -1))
      const before = listing(w.directory)
      const { code, stderr } = await w.cli(["merge", "runs/damaged", "--out", "new", ...onWasm])
      expect(code).toBe(1)
      expect(stderr).toContain("truncated")
      expect(stderr).not.toContain("    at ")
      expect(listing(w.directory)).toEqual(before)
    },
    TIMEOUT
  )

  test("of a Gemma 3 with a vision tower writes the text model's config", () => {
    const base = { model_type: "gemma3", vision_config: {}, text_config: { hidden_size: 8, torch_dtype: "bfloat16" } }
    expect(mergedCausalConfig(base, { family: "gemma3", tied: true })).toEqual({
      model_type: "gemma3_text",
      hidden_size: 8,
      architectures: ["Gemma3ForCausalLM"],
      tie_word_embeddings: true,
      dtype: "float32"
    })
  })
})

describe.skipIf(!withPeft)("transformers computes the same from the folder alone:", () => {
  let answers: ReadonlyArray<PythonAnswer> = []
  const texts = ["what is the colour of snow ?", "a very red rose"]
  beforeAll(async () => {
    const merged = cases.map((one) => w.path(`${folderOf(one)}/merged`))
    answers = await inPython(
      w,
      [...merged, w.path("sharded")].map((base) => ({ base, ids, texts }))
    )
  }, TIMEOUT)

  cases.forEach((one, i) => {
    test(one.name, async () => {
      const answer = answers[i]!
      expect(answer.class).toBe(one.class)
      const ours = await runLogits(w.path(folderOf(one)), ids)
      for (const [j, logits] of ours.entries()) expectClose(answer.logits[j]!.flat(), logits, tolerance.forward)
      // for this family transformers takes its own way of cutting texts, whatever tokenizer.json says
      if (one.name === "qwen2") return
      const encoded = await onOneThread(
        Effect.map(loadCausalRun(w.path(folderOf(one))), ({ adapted }) =>
          texts.map((text) => [...adapted.model.tokenizer.encode(text)])
        )
      )
      expect(answer.encoded).toEqual(encoded)
    })
  })

  test("in shards", () => expect(answers.at(-1)!.logits).toEqual(answers[0]!.logits))
})
