/** Exported GGUF files, merged and as adapters, in llama.cpp itself: the same ids and the run's logits. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { exportRun, formatNamed } from "../../src/exports/index.ts"
import { causalTokenizer, openSource } from "../../src/models/causal/index.ts"
import { byteDecoder } from "../e2e/causal-bytes.ts"
import { modelLogits, onOneThread, runLogits } from "../e2e/causal-logits.ts"
import { causalPlan, writeRows } from "../e2e/causal-workspace.ts"
import { workspace } from "../e2e/fixtures.ts"
import { complete } from "../e2e/train-here.ts"
import { expectClose, relativeError, tolerance } from "../setup.ts"
import { type FileAnswer, hasNodeLlamaCpp, inNodeLlamaCpp } from "./node-llama-cpp-judge.ts"

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
