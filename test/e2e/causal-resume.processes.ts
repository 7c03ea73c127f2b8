/** Resuming of language models in all its variations; the fast part resumes one (`causal.test.ts`). */
import { beforeAll, describe, test } from "bun:test"
import { adamw, busyPlan, expectResumed, training } from "./causal-resumed.ts"
import { causalData, decoder, writeRows } from "./causal-workspace.ts"
import { type Plan, TIMEOUT, workspace } from "./fixtures.ts"

const w = workspace()

beforeAll(() => {
  for (const model of ["llama", "llama-tied", "gpt2"] as const) decoder(w, model)
  writeRows(w)
})

const plans: Readonly<Record<string, Plan>> = {
  "conversations, one a row": busyPlan("llama", "chat"),
  "prompts, blocks computed again": busyPlan("gpt2", "completion", {
    optimizer: adamw,
    training: { ...training, recompute: "blocks" }
  }),
  "texts, packed, that go on over several rows": busyPlan("llama-tied", "text", {
    data: causalData("text", { maxLength: 10 })
  }),
  "texts, one a row, an epoch and a half, a validation share": busyPlan("llama", "text", {
    data: causalData("text", { packing: false, validation: 0.2 }),
    training: { epochs: 1.5, batchSize: 3, evaluateEvery: 3 }
  }),
  "an output layer and a norm trained themselves, over a base in 8 bits": busyPlan("llama", "completion", {
    model: { source: "llama", weights: "int8" },
    data: causalData("completion", { packing: true, bucketPool: 2 }),
    adapter: { method: "dora", rank: 2, alpha: 4, targets: ["q_proj", "v_proj"], modulesToSave: ["lm_head", "norm"] },
    optimizer: adamw
  }),
  "a start from the gradient of the first batches": busyPlan("llama", "chat", {
    adapter: { method: "lora", rank: 2, alpha: 4, init: { kind: "lora-ga", batches: 2 } }
  }),
  "ranks given up on the way, and dropout": busyPlan("llama", "chat", {
    adapter: { method: "adalora", rank: 2, alpha: 4, dropout: 0.2, budget: { start: 0.1, end: 0.7, every: 2 } },
    optimizer: adamw
  }),
  "full fine-tuning": busyPlan("gpt2", "chat", { adapter: { method: "full" }, optimizer: adamw })
}

describe("interrupted after any step and resumed, it is the uninterrupted run:", () => {
  Object.entries(plans).forEach(([name, plan], i) => test(name, () => expectResumed(w, plan, i), TIMEOUT))
})
