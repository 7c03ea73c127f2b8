/** Exported GGUF files, merged and as adapters, in llama.cpp itself: the same ids and the run's logits. */
import { beforeAll, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { exportRun, formatNamed } from "../../src/exports/index.ts"
import { causalTokenizer, openSource } from "../../src/models/causal/index.ts"
import { byteDecoder } from "../e2e/causal-bytes.ts"
import { modelLogits, onOneThread, runLogits } from "../e2e/causal-logits.ts"
import { causalPlan, writeRows } from "../e2e/causal-workspace.ts"
import { repository, workspace } from "../e2e/fixtures.ts"
import { complete } from "../e2e/train-here.ts"
import { expectClose, relativeError, tolerance } from "../setup.ts"
import { type FileAnswer, hasNodeLlamaCpp, inNodeLlamaCpp } from "./node-llama-cpp-judge.ts"
import { smolLm2 } from "./smollm2-file.ts"

const w = workspace()
const MINUTES = 60_000
const lora = { method: "lora", rank: 4, alpha: 8 }
const ids = [
  [1, 4, 9, 10, 11, 12, 30, 2],
  [1, 20, 30, 20, 10, 5, 9, 9, 17, 21, 2]
]
const texts = ["what colour is the grass ?", "the  sky is\nblue . of this"]

interface Case {
  readonly model: string
  readonly adapter?: object
}

const families = ["llama", "llama-tied", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2"] as const
const ranks = [{ targets: ["q_proj"], rank: 2, alpha: 12 }]

const cases: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(families.map((model) => [model, { model }])),
  "llama from a GGUF file": { model: "runs/base-llama/gguf/base-llama-f32.gguf" },
  "llama, ranks and alphas by pattern, rank-stabilized": {
    model: "llama",
    adapter: { ...lora, scaling: "rank-stabilized", overrides: ranks }
  },
  "qwen2, pissa": { model: "qwen2", adapter: { ...lora, init: { kind: "pissa" } } },
  "llama, adalora": { model: "llama", adapter: { method: "adalora", rank: 2, alpha: 8 } },
  "llama, vera": { model: "llama", adapter: { method: "vera", rank: 8 } }
}

/** As in llama-cpp.long.ts: two programs' sums; llama.cpp takes gelu from a table of half-precision numbers. */
const boundOf = (model: string): number => (/^(gemma|gpt2)/.test(model) ? 2 * 2 ** -11 : tolerance.forward)
/** What training changes at least. */
const SEEN = 1e-2

const folderOf = (name: string): string => `runs/${name.replaceAll(/\W+/g, "-")}`
const fileOf = (run: string, type: string): string => w.path(`${run}/gguf/${run.slice("runs/".length)}-${type}.gguf`)
const exported = (run: string, type: string) =>
  onOneThread(exportRun(w.path(run), { format: formatNamed("gguf"), options: { type }, out: w.path(`${run}/gguf`) }))

const tokenizerOf = (model: string) =>
  onOneThread(Effect.flatMap(openSource(w.path(model)), (source) => causalTokenizer(source)))

describe.skipIf(!hasNodeLlamaCpp())("exported files in llama.cpp", () => {
  const answers = new Map<string, FileAnswer>()

  beforeAll(async () => {
    for (const name of families) byteDecoder(w, name)
    writeRows(w)
    // a file of each base: that of a run that learned nothing
    for (const model of families) {
      const still = { optimizer: { kind: "adamw", learningRate: 1e-30 }, training: { steps: 1, batchSize: 4 } }
      await complete(w, w.write("plan.json", causalPlan(model, "text", still)), `runs/base-${model}`)
      await exported(`runs/base-${model}`, "f32")
    }
    const asked = []
    for (const [name, { model, adapter = lora }] of Object.entries(cases)) {
      const optimizer = { kind: "adamw", learningRate: /vera|adalora/.test(name) ? 0.1 : 1e-2 }
      const sections = { adapter, optimizer, training: { steps: 12, batchSize: 4 } }
      await complete(w, w.write("plan.json", causalPlan(model, "text", sections)), folderOf(name))
      await exported(folderOf(name), "f32,adapter")
      asked.push({ name: `${name} merged`, model: fileOf(folderOf(name), "f32"), ids, texts })
    }
    for (const [name, { model }] of Object.entries(cases)) {
      const base = model.endsWith(".gguf") ? w.path(model) : fileOf(`runs/base-${model}`, "f32")
      asked.push({ name: `${name} adapted`, model: base, adapter: fileOf(folderOf(name), "adapter"), ids })
      asked.push({ name: `${name} base`, model: base, ids })
    }
    const found = await inNodeLlamaCpp(
      w,
      asked.map(({ name: _, ...one }) => one)
    )
    for (const [i, { name }] of asked.entries()) answers.set(name, found[i]!)
  }, 10 * MINUTES)

  const expectRun = async (name: string, form: string) => {
    const answer = answers.get(`${name} ${form}`)!
    expect(answer.error).toBeUndefined()
    const ours = await runLogits(w.path(folderOf(name)), ids)
    const model = cases[name]!.model
    for (const [i, logits] of ours.entries()) expectClose(answer.logits[i]!.flat(), logits, boundOf(model))
    return ours
  }

  describe("merged, in float32:", () => {
    for (const name of Object.keys(cases)) {
      test(name, async () => {
        await expectRun(name, "merged")
        const tokenizer = await tokenizerOf(cases[name]!.model)
        const own = texts.map((text) => tokenizer.encode(text))
        // node-llama-cpp leaves out the token before a text
        expect(answers.get(`${name} merged`)!.encoded).toEqual(own)
      })
    }
  })

  describe("the adapter, over a file of the base:", () => {
    for (const name of Object.keys(cases)) {
      test(name, async () => {
        const ours = await expectRun(name, "adapted")
        // what was trained is seen
        expect(relativeError(answers.get(`${name} base`)!.logits[0]!.flat(), ours[0]!)).toBeGreaterThan(SEEN)
      })
    }
  })

  test("the files of the bases are the bases", async () => {
    for (const name of families) {
      for (const [i, logits] of (await modelLogits(w.path(name), ids)).entries()) {
        expectClose(answers.get(`${name} base`)!.logits[i]!.flat(), logits, boundOf(name))
      }
    }
  })
})

describe.skipIf(!hasNodeLlamaCpp() || smolLm2 === undefined)(
  "SmolLM2, trained over its file of Q4_1, in llama.cpp:",
  () => {
    const run = "runs/smollm2"
    const asked = ["The capital of France is Paris.", '{"name": "Ada", "born": 1815}', "Naïve café — 12,345 → ½  \n\tx"]
    const prompt =
      "<|im_start|>user\nThe capital of Algeria is Algiers. Write country and capital as JSON.<|im_end|>\n<|im_start|>assistant\n"
    const forms = ["f32", "f16", "q8_0", "q4_k", "adapter"] as const
    const answers = new Map<(typeof forms)[number], FileAnswer>()
    let tokens: ReadonlyArray<ReadonlyArray<number>> = []
    let prompted: ReadonlyArray<number> = []

    beforeAll(async () => {
      for (const file of ["train", "validation"]) {
        w.write(`smollm2-${file}.jsonl`, readFileSync(join(repository, "examples/smollm2", `${file}.jsonl`), "utf8"))
      }
      const plan = {
        seed: 0,
        model: { source: smolLm2! },
        data: { format: "chat", train: "smollm2-train.jsonl", validation: "smollm2-validation.jsonl", maxLength: 96 },
        adapter: { method: "lora", rank: 8, alpha: 16 },
        optimizer: { kind: "lora-pro", learningRate: 5e-4 },
        training: { steps: 3, batchSize: 2, evaluateRows: 2, evaluateBatchSize: 2 }
      }
      await complete(w, w.write("smollm2.json", plan), run)
      await exported(run, forms.join())
      const tokenizer = await onOneThread(Effect.flatMap(openSource(smolLm2!), (source) => causalTokenizer(source)))
      tokens = asked.map((text) => tokenizer.encode(text))
      prompted = tokenizer.encode(prompt)
      const found = await inNodeLlamaCpp(
        w,
        forms.map((form) => ({
          ...(form === "adapter" ? { model: smolLm2!, adapter: fileOf(run, form) } : { model: fileOf(run, form) }),
          ids: tokens,
          texts: asked,
          generate: { ids: prompted, tokens: 12 }
        }))
      )
      for (const [i, form] of forms.entries()) answers.set(form, found[i]!)
    }, 10 * MINUTES)

    test("the same ids", () => {
      for (const form of forms) expect(answers.get(form)!.encoded).toEqual(tokens)
    })

    // llama.cpp rounds what it multiplies with halves to halves, with blocks of 8 and 4 bits to 8 bits: 3 to 4 % of the largest logit
    for (const [form, bound] of [
      ["f32", 1e-5],
      ["f16", 5e-3],
      ["q8_0", 0.1],
      ["adapter", 0.1]
    ] as const) {
      test(
        `logits of ${form}`,
        async () => {
          const ours = await runLogits(w.path(run), tokens)
          for (const [i, logits] of ours.entries()) expectClose(answers.get(form)!.logits[i]!.flat(), logits, bound)
        },
        2 * MINUTES
      )
    }

    test(
      "greedily it writes what the run finds most likely, in float32 and in halves",
      async () => {
        for (const form of ["f32", "f16"] as const) {
          const { generated } = answers.get(form)!
          expect(generated.length).toBeGreaterThan(5)
          const [logits] = await runLogits(w.path(run), [[...prompted, ...generated]])
          const width = logits!.length / (prompted.length + generated.length)
          const likeliest = generated.map((_, i) => {
            const row = logits!.subarray((prompted.length - 1 + i) * width, (prompted.length + i) * width)
            return row.indexOf(row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY))
          })
          expect(likeliest).toEqual([...generated])
        }
      },
      2 * MINUTES
    )

    test("in 4 bits it writes too", () => expect(answers.get("q4_k")!.generated.length).toBeGreaterThan(0))
  }
)
