/**
 * Adapters of causal models by the rules of llama.cpp's converter, which are few: it reads `lora_alpha` and tensors named lora_A.weight
 * and lora_B.weight, and computes ΔW = scale · lora_alpha / rank(A) · BA. A card either gives a scale with which this is what PEFT
 * computes, or says to merge. With llama.cpp itself: `long/llama-cpp.long.ts`.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { mergedCausalConfig } from "../../src/output/merged-causal.ts"
import { gguf } from "./causal-gguf.ts"
import { causalPlan, decoder, writeRows } from "./causal-workspace.ts"
import { TIMEOUT, tensorsIn, workspace } from "./fixtures.ts"
import { complete } from "./train-here.ts"

const w = workspace()
const lora = { method: "lora", rank: 4, alpha: 8 }
const adamw = { kind: "adamw", learningRate: 1e-2 }
const ranks = [{ targets: ["q_proj"], rank: 2 }]
const alphas = [{ targets: ["q_proj"], alpha: 4 }]

interface Case {
  readonly adapter: object
  readonly model?: "llama" | "gpt2" | "llama.gguf"
  readonly optimizer?: object
}

const converted: Readonly<Record<string, Case & { readonly scale: number }>> = {
  lora: { adapter: lora, scale: 1 },
  "a GGUF file's": { adapter: lora, model: "llama.gguf", scale: 1 },
  "ranks by pattern": { adapter: { ...lora, overrides: ranks }, scale: 1 },
  "one alpha in place of another": { adapter: { ...lora, overrides: [{ targets: ["**"], alpha: 24 }] }, scale: 3 },
  "rank-stabilized": { adapter: { ...lora, scaling: "rank-stabilized" }, scale: 2 },
  pissa: { adapter: { ...lora, init: { kind: "pissa" } }, scale: 1 },
  "pissa, rank-stabilized": {
    adapter: { ...lora, scaling: "rank-stabilized", init: { kind: "pissa" } },
    scale: Math.sqrt(8)
  }
}

const merged: Readonly<Record<string, Case & { readonly because: string }>> = {
  "alphas by pattern": { adapter: { ...lora, overrides: alphas }, because: "one alpha for all layers" },
  "rank-stabilized, ranks by pattern": {
    adapter: { ...lora, scaling: "rank-stabilized", overrides: ranks },
    because: "one alpha for all layers"
  },
  dora: { adapter: { ...lora, method: "dora" }, optimizer: adamw, because: "only factors A and B" },
  adalora: { adapter: { method: "adalora", rank: 2, alpha: 8 }, optimizer: adamw, because: "only factors A and B" },
  "a norm saved beside": { adapter: { ...lora, modulesToSave: ["norm"] }, because: "silently ignores saved norms" },
  gpt2: { adapter: lora, model: "gpt2", because: "transposes the factors of this family's layers" },
  "full fine-tuning": { adapter: { method: "full" }, optimizer: adamw, because: "only factors A and B" }
}

const folderOf = (name: string): string => `runs/${name.replaceAll(/\W+/g, "-")}`
const cardOf = (name: string): string => w.read(`${folderOf(name)}/adapter/README.md`)

beforeAll(async () => {
  decoder(w, "llama")
  decoder(w, "gpt2")
  gguf(w, "llama")
  writeRows(w)
  for (const [name, { model = "llama", adapter, optimizer }] of Object.entries({ ...converted, ...merged })) {
    const sections = {
      adapter,
      ...(optimizer === undefined ? {} : { optimizer }),
      training: { steps: 2, batchSize: 4 }
    }
    await complete(w, w.write("plan.json", causalPlan(model, "text", sections)), folderOf(name))
  }
}, TIMEOUT)

interface PeftConfig {
  readonly r: number
  readonly lora_alpha: number
  readonly use_rslora: boolean
  readonly rank_pattern: Readonly<Record<string, number>>
  readonly alpha_pattern: Readonly<Record<string, number>>
}

/** Of each site: what PEFT multiplies BA with, and what llama.cpp does at scale 1. */
const scalesOf = async (name: string): Promise<ReadonlyArray<readonly [peft: number, llamaCpp: number]>> => {
  const config = w.json(`${folderOf(name)}/adapter/adapter_config.json`) as unknown as PeftConfig
  const tensors = await tensorsIn(w, `${folderOf(name)}/adapter/adapter_model.safetensors`)
  return [...tensors].flatMap(([key, { shape }]) => {
    const module = /^base_model\.model\.(.*)\.lora_A\.weight$/.exec(key)?.[1]
    if (module === undefined) return []
    const rank = config.rank_pattern[module] ?? config.r
    expect(shape[0]).toBe(rank)
    const alpha = config.alpha_pattern[module] ?? config.lora_alpha
    return [[alpha / (config.use_rslora ? Math.sqrt(rank) : rank), config.lora_alpha / rank]] as const
  })
}

describe("converted as it is, with the scale that its card gives:", () => {
  for (const [name, { scale, model = "llama" }] of Object.entries(converted)) {
    test(name, async () => {
      const card = cardOf(name)
      const given = /--lora-scaled adapter\.gguf:(\S+)/.exec(card)?.[1]
      if (given === undefined) expect(card).toContain(" --lora adapter.gguf ")
      // two roots in float64
      expect(Number(given ?? 1)).toBeCloseTo(scale, 12)
      const scales = await scalesOf(name)
      expect(scales).toHaveLength(14)
      for (const [peft, llamaCpp] of scales) expect(Number(given ?? 1) * llamaCpp).toBeCloseTo(peft, 12)
      const base = model === "llama.gguf" ? `${folderOf(name)}/adapter` : "llama"
      expect(card).toContain(`--base ${base.split("/").at(-1)} --outfile adapter.gguf `)
      expect(card).not.toContain("export")
    })
  }
})

describe("to be merged first, as its card says:", () => {
  for (const [name, { because }] of Object.entries(merged)) {
    test(name, async () => {
      const card = cardOf(name)
      expect(card).toContain(`Its adapter converter does not support this adapter: it `)
      expect(card).toContain(because)
      expect(card).toContain(`tfjs-lora-pro export ${folderOf(name).split("/").at(-1)} --format gguf`)
      expect(card).not.toContain("--lora")
      // where the factors' scales are the reason, no one number makes up for it
      if (because !== "one alpha for all layers") return
      const scales = await scalesOf(name)
      expect(new Set(scales.map(([peft, llamaCpp]) => peft / llamaCpp)).size).toBeGreaterThan(1)
    })
  }
})

describe("config.json, which the converters ask for,", () => {
  test("lies beside the adapter of a GGUF file, and says the same as the folder's that the file was made of", () => {
    const own = w.json(`${folderOf("a GGUF file's")}/adapter/config.json`)
    const theirs = w.json("llama/config.json")
    const read = [
      "architectures",
      "model_type",
      "hidden_size",
      "num_hidden_layers",
      "num_attention_heads",
      "num_key_value_heads"
    ]
    for (const key of read) expect([key, own[key]]).toEqual([key, theirs[key]])
    expect(() => w.json(`${folderOf("lora")}/adapter/config.json`)).toThrow("ENOENT")
  })

  test("of a merged GPT-2 says n_ctx, and a base that says it keeps its own", () => {
    const config = (base: object) => mergedCausalConfig(base, { family: "gpt2", tied: true })["n_ctx"]
    expect([config({ n_positions: 40 }), config({ n_positions: 40, n_ctx: 20 })]).toEqual([40, 20])
    expect(mergedCausalConfig({}, { family: "llama", tied: true })).not.toHaveProperty("n_ctx")
  })
})
