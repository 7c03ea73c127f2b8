/**
 * Adapters and merged models of causal models in llama.cpp, by its own converters: the same ids, the same logits; and what the model card
 * says of adapters that its converter does not take. SmolLM2 over the GGUF file that it was trained over, as its user has it.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { loadCausalRun, mergeRun } from "../../src/trained/index.ts"
import { gguf } from "../e2e/causal-gguf.ts"
import { modelLogits, onOneThread, runLogits } from "../e2e/causal-logits.ts"
import { causalPlan, decoder, writeRows } from "../e2e/causal-workspace.ts"
import { repository, workspace } from "../e2e/fixtures.ts"
import { complete } from "../e2e/train-here.ts"
import { expectClose, relativeError, tolerance } from "../setup.ts"
import {
  type Conversion,
  type Converted,
  convert,
  hasLlamaCpp,
  inLlamaCpp,
  type LlamaCppAnswer
} from "./llama-cpp-judge.ts"
import { convertedDecoder, decoderOfBytes, decoders } from "./llama-cpp-models.ts"
import { smolLm2 } from "./smollm2-file.ts"

const w = workspace()
const withLlamaCpp = await hasLlamaCpp(w)
const MINUTES = 60_000

const lora = { method: "lora", rank: 4, alpha: 8 }
const adamw = { kind: "adamw", learningRate: 1e-2 }
const ranks = [
  { targets: ["q_proj"], rank: 2 },
  { targets: ["layers.1.mlp.down_proj"], rank: 6 }
]

interface Case {
  readonly name: string
  /** a folder or a .gguf file */
  readonly model: string
  readonly adapter: object
  readonly optimizer?: object
}

/** What a card says can be converted. */
const adapters: ReadonlyArray<Case> = [
  ...decoders.map((model) => ({ name: model, model, adapter: lora })),
  { name: "llama, ranks by pattern", model: "llama", adapter: { ...lora, overrides: ranks } },
  { name: "llama, rank-stabilized", model: "llama", adapter: { ...lora, scaling: "rank-stabilized" } },
  { name: "llama, pissa", model: "llama", adapter: { ...lora, init: { kind: "pissa" } } },
  {
    name: "qwen2, pissa, rank-stabilized",
    model: "qwen2",
    adapter: { ...lora, scaling: "rank-stabilized", init: { kind: "pissa" } }
  },
  { name: "llama, from a GGUF file", model: "llama-bytes.base.gguf", adapter: lora }
]

const SILENT = "is converted, and computes something else without a word"
const STOPS = "stops the converter"
const REFUSED = "is refused by llama.cpp"

/** What a card says is to be merged, and what comes of it where it is not. */
const others: ReadonlyArray<Case & { readonly what: typeof SILENT | typeof STOPS | typeof REFUSED }> = [
  {
    name: "llama, alphas by pattern",
    model: "llama",
    adapter: { ...lora, overrides: [{ targets: ["q_proj", "down_proj"], alpha: 40 }] },
    what: SILENT
  },
  {
    name: "llama, rank-stabilized, ranks by pattern",
    model: "llama",
    adapter: { ...lora, scaling: "rank-stabilized", overrides: ranks },
    what: SILENT
  },
  { name: "llama, a norm", model: "llama", adapter: { ...lora, modulesToSave: ["norm"] }, what: SILENT },
  { name: "llama, its output layer", model: "llama", adapter: { ...lora, modulesToSave: ["lm_head"] }, what: STOPS },
  { name: "llama, dora", model: "llama", adapter: { ...lora, method: "dora" }, optimizer: adamw, what: STOPS },
  {
    name: "mistral, adalora",
    model: "mistral",
    adapter: { method: "adalora", rank: 2, alpha: 8 },
    optimizer: { kind: "adamw", learningRate: 0.1 },
    what: STOPS
  },
  { name: "gpt2", model: "gpt2", adapter: lora, what: REFUSED },
  { name: "gpt2, a square layer", model: "gpt2", adapter: { ...lora, targets: ["h.*.attn.c_proj"] }, what: SILENT }
]

/**
 * Two programs' float32 sums, in an order of their own each. llama.cpp takes gelu from a table of half-precision numbers by half-precision
 * arguments (GGML_GELU_FP16), each rounded by 2⁻¹¹.
 */
const boundOf = (model: string): number => (/^(gemma|gpt2)/.test(model) ? 2 * 2 ** -11 : tolerance.forward)
/** What training changes in the logits at least, and a scale that is wrong; ten times what is allowed. */
const SEEN = 1e-2

const ids = [
  [1, 4, 9, 10, 11, 12, 30, 2],
  [1, 40, 30, 20, 10, 5, 9, 9, 17, 21, 2]
]
const folderOf = (name: string): string => `runs/${name.replaceAll(/\W+/g, "-")}`
/** The GGUF file of a case's model. GPT-2's comes from the goldens: the converter takes a tokenizer whose hash it knows. */
const baseOf = (model: string): string => {
  if (model === "gpt2") return "gpt2.gguf"
  return model.endsWith(".gguf") ? model : `${model}.base.gguf`
}
const scaleOf = (name: string): number =>
  Number(/--lora-scaled adapter\.gguf:(\S+)/.exec(w.read(`${folderOf(name)}/adapter/README.md`))?.[1] ?? 1)

/** Converts what has to be convertible. */
const written = async (conversions: ReadonlyArray<Conversion>): Promise<void> => {
  for (const { code, output } of await convert(w, conversions)) if (code !== 0) throw new Error(output)
}

const train = async ({ name, model, adapter, optimizer }: Case): Promise<void> => {
  const sections = {
    adapter,
    ...(optimizer === undefined ? {} : { optimizer }),
    training: { steps: 12, batchSize: 4 }
  }
  await complete(w, w.write("plan.json", causalPlan(model, "text", sections)), folderOf(name))
}

describe.skipIf(!withLlamaCpp)("tiny models in llama.cpp", () => {
  const all = [...adapters, ...others]
  /** For the same reason. */
  const mergeable = all.filter(({ model }) => model !== "gpt2")
  let outcomes: ReadonlyArray<Converted> = []
  let bases: Readonly<Record<string, LlamaCppAnswer>> = {}
  let adapted: Readonly<Record<string, LlamaCppAnswer>> = {}
  let merged: Readonly<Record<string, LlamaCppAnswer>> = {}

  beforeAll(async () => {
    for (const model of decoders) convertedDecoder(w, model)
    decoder(w, "gpt2")
    gguf(w, "gpt2")
    writeRows(w)
    const models = [...decoders, await decoderOfBytes(w, "llama-bytes")]
    await written(models.map((model) => ({ out: baseOf(model), model })))
    for (const one of all) await train(one)
    for (const { name } of mergeable) await onOneThread(mergeRun(w.path(folderOf(name)), {}))
    await written(
      mergeable.map(({ name }) => ({ out: `${folderOf(name)}/merged.gguf`, model: `${folderOf(name)}/merged` }))
    )
    const factors = all.map(({ name, model }) => {
      const adapter = `${folderOf(name)}/adapter`
      return { out: `${folderOf(name)}/adapter.gguf`, adapter, base: model.endsWith(".gguf") ? adapter : model }
    })
    outcomes = await convert(w, factors)
    const files = [...new Set(all.map(({ model }) => model))]
    const loadable = all.filter((_, i) => outcomes[i]!.code === 0)
    const answers = await inLlamaCpp(w, [
      ...files.map((model) => ({ model: w.path(baseOf(model)), ids })),
      ...loadable.map(({ name, model }) => ({
        model: w.path(baseOf(model)),
        adapter: w.path(`${folderOf(name)}/adapter.gguf`),
        scale: scaleOf(name),
        ids
      })),
      ...mergeable.map(({ name }) => ({ model: w.path(`${folderOf(name)}/merged.gguf`), ids }))
    ])
    const named = (names: ReadonlyArray<string>, from: number) =>
      Object.fromEntries(names.map((name, i) => [name, answers[from + i]!]))
    bases = named(files, 0)
    adapted = named(
      loadable.map(({ name }) => name),
      files.length
    )
    merged = named(
      mergeable.map(({ name }) => name),
      files.length + loadable.length
    )
  }, 10 * MINUTES)

  const expectSame = (model: string, answer: LlamaCppAnswer, ours: ReadonlyArray<Float32Array>) => {
    expect(answer.error).toBeUndefined()
    for (const [i, logits] of ours.entries()) expectClose(answer.logits[i]!.flat(), logits, boundOf(model))
  }

  describe("bases:", () => {
    for (const model of [...decoders, "llama-bytes.base.gguf", "gpt2"]) {
      test(model, async () => expectSame(model, bases[model]!, await modelLogits(w.path(model), ids)))
    }
  })

  describe("adapters, with the scale that the card gives:", () => {
    for (const { name, model } of adapters) {
      test(name, async () => {
        const ours = await runLogits(w.path(folderOf(name)), ids)
        expectSame(model, adapted[name]!, ours)
        // what was trained is seen
        expect(relativeError(bases[model]!.logits[0]!.flat(), ours[0]!)).toBeGreaterThan(SEEN)
      })
    }
  })

  describe("what the card says is to be merged, and is not,", () => {
    for (const [i, { name, what }] of others.entries()) {
      test(`${what}: ${name}`, async () => {
        const { code, output } = outcomes[adapters.length + i]!
        if (what === STOPS) {
          expect(code).not.toBe(0)
          expect(output).toContain("Not a lora_A or lora_B tensor")
          return
        }
        expect([code, code === 0 ? "" : output]).toEqual([0, ""])
        if (what === REFUSED) return expect(adapted[name]!.error).toContain("incorrect shape")
        const ours = await runLogits(w.path(folderOf(name)), ids)
        expect(adapted[name]!.error).toBeUndefined()
        expect(relativeError(adapted[name]!.logits[0]!.flat(), ours[0]!)).toBeGreaterThan(SEEN)
      })
    }
  })

  describe("merged:", () => {
    for (const { name, model } of mergeable) {
      test(name, async () => expectSame(model, merged[name]!, await runLogits(w.path(folderOf(name)), ids)))
    }
  })
})

describe.skipIf(!withLlamaCpp || smolLm2 === undefined)(
  "SmolLM2, trained over its GGUF file of Q4_1, in llama.cpp",
  () => {
    const run = "runs/smollm2"
    const texts = ["The capital of France is Paris.", '{"name": "Ada", "born": 1815}', "Naïve café — 12,345 → ½  \n\tx"]
    let ours: Readonly<Record<"base" | "run", ReadonlyArray<Float32Array>>>
    let tokens: ReadonlyArray<ReadonlyArray<number>> = []
    let answers: ReadonlyArray<LlamaCppAnswer> = []

    beforeAll(async () => {
      for (const file of ["train", "validation"]) {
        w.write(`smollm2-${file}.jsonl`, readFileSync(join(repository, "examples/smollm2", `${file}.jsonl`), "utf8"))
      }
      const plan = {
        seed: 0,
        model: { source: smolLm2! },
        data: { format: "chat", train: "smollm2-train.jsonl", validation: "smollm2-validation.jsonl", maxLength: 64 },
        adapter: { method: "lora", rank: 8, alpha: 16 },
        optimizer: { kind: "lora-pro", form: "efficient", learningRate: 2e-3 },
        training: { steps: 4, batchSize: 2, evaluateBatchSize: 4 }
      }
      await complete(w, w.write("smollm2.json", plan), run)
      await onOneThread(mergeRun(w.path(run), {}))
      await written([
        { out: "smollm2.adapter.gguf", adapter: `${run}/adapter`, base: `${run}/adapter` },
        { out: "smollm2.merged.gguf", model: `${run}/merged` }
      ])
      tokens = await onOneThread(
        Effect.map(loadCausalRun(w.path(run)), ({ adapted }) =>
          texts.map((text) => [...adapted.model.tokenizer.encode(text)])
        )
      )
      ours = { base: await modelLogits(smolLm2!, tokens), run: await runLogits(w.path(run), tokens) }
      answers = await inLlamaCpp(w, [
        { model: smolLm2!, ids: tokens, texts },
        { model: smolLm2!, adapter: w.path("smollm2.adapter.gguf"), ids: tokens },
        { model: w.path("smollm2.merged.gguf"), ids: tokens, texts }
      ])
    }, 10 * MINUTES)

    test("its tokens are ours, in the file and in the one that the converter makes of the merged folder", () => {
      expect(answers[0]!.encoded).toEqual(tokens)
      expect(answers[2]!.encoded).toEqual(tokens)
    })

    test("merged, in float32: the same logits", () => {
      // thirty layers of float32 sums, as in a tiny model's two: 2.9e-6 was measured
      for (const [j, logits] of ours.run.entries())
        expectClose(answers[2]!.logits[j]!.flat(), logits, tolerance.forward)
    })

    test("the adapter over the file itself: as near as llama.cpp comes without it", () => {
      for (const [j, logits] of ours.run.entries()) {
        const base = relativeError(answers[0]!.logits[j]!.flat(), ours.base[j]!)
        const adapted = relativeError(answers[1]!.logits[j]!.flat(), logits)
        const without = relativeError(answers[0]!.logits[j]!.flat(), logits)
        // llama.cpp rounds what it multiplies with Q4_1 to 8 bits, in thirty layers: 3 to 4 % of the largest logit were measured, with and without
        expect(base).toBeLessThan(0.08)
        expect(adapted).toBeLessThan(0.08)
        expect(adapted).toBeLessThan(without / 2)
      }
    })
  }
)
