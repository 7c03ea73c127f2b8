/** Adapters over causal models in Hugging Face PEFT: the same base, the same ids, the same logits. Python computes them from the files alone. */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { expectClose, relativeError, tolerance } from "../setup.ts"
import { gguf } from "./causal-gguf.ts"
import { modelLogits, runLogits } from "./causal-logits.ts"
import { hasPeft, inPython, type PythonAnswer } from "./causal-python.ts"
import { causalPlan, decoder, type TinyDecoder, writeRows } from "./causal-workspace.ts"
import { TIMEOUT, workspace } from "./fixtures.ts"
import { complete } from "./train-here.ts"

const w = workspace()
const withPeft = await hasPeft(w)

const lora = { method: "lora", rank: 4, alpha: 8 }
const adamw = { kind: "adamw", learningRate: 1e-2 }
// P diag(λ) Q starts at 0.02·0·0.02: steps that make it large enough to be seen in the logits
const largeSteps = { kind: "adamw", learningRate: 0.1 }
const overrides = [
  { targets: ["q_proj", "c_attn"], rank: 2 },
  { targets: ["layers.1.mlp.down_proj", "h.1.mlp.c_proj"], rank: 6 },
  { targets: ["o_proj", "c_fc"], alpha: 16 }
]
/** Overrides whose targets the model has. */
const overridesOf = (model: TinyDecoder) =>
  overrides.map(({ targets: [llama, gpt2], ...own }) => ({ ...own, targets: [model === "gpt2" ? gpt2! : llama!] }))

const adapters = (
  model: TinyDecoder
): Readonly<Record<string, { readonly adapter: object; readonly optimizer?: object }>> => ({
  lora: { adapter: lora },
  "rank-stabilized, ranks and alphas by pattern": {
    adapter: { ...lora, scaling: "rank-stabilized", overrides: overridesOf(model) }
  },
  dora: { adapter: { ...lora, method: "dora" }, optimizer: adamw },
  adalora: { adapter: { method: "adalora", rank: 2, alpha: 8 }, optimizer: largeSteps },
  vera: { adapter: { method: "vera", rank: 6 }, optimizer: largeSteps },
  // PEFT's adapts no Conv1D, which GPT-2's layers are
  ...(model === "llama" ? { loha: { adapter: { method: "loha", rank: 3 }, optimizer: largeSteps } } : {}),
  "pissa, ranks and alphas by pattern": {
    adapter: { ...lora, init: { kind: "pissa" }, overrides: overridesOf(model) }
  },
  "full fine-tuning": { adapter: { method: "full" }, optimizer: adamw }
})

interface Case {
  readonly name: string
  /** what PEFT adapts */
  readonly model: TinyDecoder
  /** what was trained, where it is another file with the same weights */
  readonly source?: string
  readonly adapter: object
  readonly optimizer?: object
}

const both = (["llama", "gpt2"] as const).flatMap((model) =>
  Object.entries(adapters(model)).map(([name, own]): Case => ({ name: `${model}, ${name}`, model, ...own }))
)
const cases: ReadonlyArray<Case> = [
  ...both,
  {
    name: "llama, its output layer and a norm saved beside",
    model: "llama",
    adapter: { ...lora, modulesToSave: ["lm_head", "layers.1.input_layernorm"] }
  },
  {
    name: "llama, an output layer that is the embedding, saved beside",
    model: "llama-tied",
    adapter: { ...lora, modulesToSave: ["embed_tokens"] }
  },
  { name: "gpt2, its embeddings saved beside", model: "gpt2", adapter: { ...lora, modulesToSave: ["wte", "wpe"] } },
  {
    name: "gpt2, a linear layer saved beside",
    model: "gpt2",
    adapter: { ...lora, targets: ["c_attn"], modulesToSave: ["h.0.mlp.c_fc"] }
  },
  {
    name: "llama, modules alone",
    model: "llama",
    adapter: { method: "none", modulesToSave: ["lm_head"] },
    optimizer: adamw
  },
  {
    name: "gpt2 from a GGUF file, over the folder that it was made of",
    model: "gpt2",
    source: "gpt2.gguf",
    adapter: lora
  },
  { name: "qwen2, lora", model: "qwen2", adapter: lora },
  { name: "gemma3, lora", model: "gemma3", adapter: lora }
]

const ids = [
  [1, 4, 9, 10, 11, 12, 30, 2],
  [1, 40, 30, 20, 10, 5, 9, 9, 17, 21, 2]
]
const folderOf = (i: number): string => w.path(`runs/${i}`)

describe.skipIf(!withPeft)("PEFT gives the same logits:", () => {
  let answers: ReadonlyArray<PythonAnswer> = []

  beforeAll(async () => {
    for (const model of ["llama", "llama-tied", "gpt2", "qwen2", "gemma3"] as const) decoder(w, model)
    gguf(w, "gpt2")
    writeRows(w)
    for (const [i, { model, source, adapter, optimizer }] of cases.entries()) {
      const sections = {
        adapter,
        ...(optimizer === undefined ? {} : { optimizer }),
        training: { steps: 4, batchSize: 4 }
      }
      await complete(w, w.write(`${i}.json`, causalPlan(source ?? model, "text", sections)), `runs/${i}`)
    }
    const jobs = cases.map(({ model }, i) => ({ base: w.path(model), adapter: join(folderOf(i), "adapter"), ids }))
    answers = await inPython(w, jobs)
  }, 2 * TIMEOUT)

  cases.forEach(({ name, model }, i) => {
    test(name, async () => {
      const ours = await runLogits(folderOf(i), ids)
      for (const [j, logits] of ours.entries()) expectClose(answers[i]!.logits[j]!.flat(), logits, tolerance.forward)
      // what was trained is seen
      const base = await modelLogits(w.path(model), ids)
      expect(relativeError(base[0]!, ours[0]!)).toBeGreaterThan(100 * tolerance.forward)
    })
  })
})
