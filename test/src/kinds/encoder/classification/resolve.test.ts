/** What a plan is told before a weight is read. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import type { ClassificationPlan } from "../../../../../schemas/index.ts"
import { classification } from "../../../../../src/kinds/encoder/classification/index.ts"
import { estimateMemory, impossibleTensors, largestActivations } from "../../../../../src/kinds/encoder/resolve.ts"
import { describePlan, planJson, resolve } from "../../../../../src/kinds/index.ts"
import {
  type MachineMemory,
  type MemoryEstimate,
  machineMemory,
  memoryWarnings,
  readPlan
} from "../../../../../src/plan/index.ts"
import { platform } from "../../../../../src/platform.ts"
import { jsonLines, tinyPlan, tinyRows, workspace } from "../../../../e2e/fixtures.ts"

const w = workspace()
w.model("bert")
const distinct = (rows: number) =>
  tinyRows(rows).map((row, i) => ({ ...row, text: `${row.text} ${"the ".repeat(i % 3)}${i}` }))
w.write("train.jsonl", jsonLines(distinct(24)))
w.write("validation.jsonl", jsonLines(distinct(30).slice(24)))
w.write("test.jsonl", jsonLines(distinct(39).slice(30)))

const resolved = (sections: Record<string, unknown> = {}) => {
  w.write("plan.json", tinyPlan("bert", sections))
  return Effect.gen(function* () {
    const { plan, name } = yield* readPlan(w.path("plan.json"))
    return yield* resolve(plan as ClassificationPlan, name)
  }).pipe(Effect.scoped, Effect.provide(platform))
}
const warningsOf = async (sections: Record<string, unknown>) => (await Effect.runPromise(resolved(sections))).warnings
const problemsOf = async (sections: Record<string, unknown>) => {
  const error = await Effect.runPromise(Effect.flip(resolved(sections)))
  return "problems" in error ? error.problems.map(String) : [String(error)]
}
const data = (more: Record<string, unknown>) => ({ data: { ...tinyPlan("bert").data, ...more } })

describe("warnings", () => {
  test("none, where nothing is suspicious", async () => {
    expect(await warningsOf({})).toEqual([])
  })

  test("texts that lose their end, above one in twenty", async () => {
    const [warning, ...others] = await warningsOf(data({ maxLength: 8 }))
    expect(others).toEqual([])
    expect(warning).toMatch(
      /^train \(.*train\.jsonl\): \d\d\.\d % of the texts are truncated at 8 tokens \(looked at 24; 95 % have at most 1\d tokens\)/
    )
    // the model's own positions cut as well
    const long = await warningsOf(data({ maxLength: 4096 }))
    expect(long.join("\n")).toContain("data.maxLength 4096 is more than the model's")
  })

  test("rows of an evaluation split that are training rows, and repeated ones", async () => {
    w.write("leak.jsonl", jsonLines(distinct(5)))
    const [warning, ...others] = await warningsOf(data({ test: "leak.jsonl" }))
    expect(others).toEqual([])
    expect(warning).toContain("leak.jsonl): 5 of 5 rows have a text that is also in train")
    expect(warning).toMatch(/leak\.jsonl:1 = .*train\.jsonl:1, .*leak\.jsonl:2 = /)
  })
})

describe("memory", () => {
  const estimate = (total: number) => ({
    weights: total / 2,
    mapped: 0,
    trainable: 0,
    activations: total / 2,
    checkpoint: 0,
    kept: 0,
    total
  })
  const machine = { total: 16e9, available: 10e9 }
  const training = {
    batchSize: 8,
    accumulate: 1,
    evaluateBatchSize: 64,
    threads: 1,
    deterministic: true,
    precision: "float32" as const
  }
  const warnings = (memory: MemoryEstimate, of: MachineMemory, recompute: "none" | "blocks" = "none") =>
    memoryWarnings(memory, of, { training: { ...training, recompute } })

  test("weights that stay in the file are not counted against native", () => {
    const memory = { ...estimate(28e9), mapped: 13.5e9 }
    expect(warnings(memory, { total: 64e9, available: 60e9 })).toEqual([
      expect.stringMatching(/but wasm has at most 4 GiB; .*, or use --device webgpu$/)
    ])
    expect(warnings(memory, { total: 24e9, available: 20e9 })[0]).toContain(
      "on --device native about 14.5 GB are enough, since 13.5 GB of weights stay in the file"
    )
    expect(warnings(memory, machine)[0]).toContain("it may run out of memory")
    expect(warnings({ ...estimate(60e9), mapped: 30e9 }, machine)[0]).toContain("it cannot run")
    const small = { ...estimate(6e9), mapped: 3e9 }
    expect(warnings(small, { total: 40e9, available: 30e9 })).toEqual([
      expect.stringMatching(/wasm has at most 4 GiB; .*, or use --device native or webgpu$/)
    ])
  })

  test("a warning above 80 % of what is free, a stronger one above all there is", () => {
    expect(warnings(estimate(3e9), machine)).toEqual([])
    expect(warnings(estimate(7.9e9), machine).join()).not.toContain("this machine")
    expect(warnings(estimate(8.1e9), machine)[0]).toContain(
      "about 8.1 GB are needed, but this machine has 16 GB (10 GB free): it may run out of memory"
    )
    expect(warnings(estimate(17e9), machine)[0]).toContain("it cannot run on the CPU or on wasm")
  })

  test("a warning that names wasm near its 4 GiB", () => {
    const wasm = (bytes: number) => warnings(estimate(bytes), { total: 1e12, available: 1e12 })
    expect(wasm(0.79 * 2 ** 32)).toEqual([])
    expect(wasm(0.81 * 2 ** 32)[0]).toMatch(/wasm has at most 4 GiB.*--device webgpu/)
  })

  test("this machine has some, and no more free than there is", () => {
    const { total, available } = machineMemory()
    expect(total).toBeGreaterThan(2 ** 28)
    expect(available).toBeGreaterThan(0)
    expect(available).toBeLessThanOrEqual(total)
  })

  test("impossible only where a tensor of the batch that will come up exceeds 4 GiB", async () => {
    const { plan, model } = await Effect.runPromise(resolved())
    // the tiny model: 32 wide, intermediate 64, 4 heads
    expect([model.hiddenSize, model.intermediateSize, model.attentionHeads]).toEqual([32, 64, 4])
    const problems = (batchSize: number, rows: number, longest: number) =>
      impossibleTensors({ ...plan, training: { ...plan.training, batchSize } }, model, { rows, longest })
    const fits = 2 ** 32 / (4 * 16 * 64)
    expect(problems(fits, 1e9, 16)).toEqual([])
    expect(problems(fits + 1, 1e9, 16)[0]).toMatch(
      /^memory: a batch of 1048577 texts, padded to one of 16 tokens, needs .*accumulate/
    )
    expect(problems(fits + 1, 24, 16)).toEqual([])
    // 4 heads × 512 × 512 scores a text
    expect(problems(1024, 1e9, 512)).toEqual([])
    expect(problems(1025, 1e9, 512)).not.toEqual([])
  })

  test("recomputation is a way out where there is not enough, unless it is on already", () => {
    expect(warnings(estimate(17e9), machine)[0]).toContain('set training.recompute to "blocks", or lower')
    expect(warnings(estimate(17e9), machine, "blocks")[0]).not.toContain("recompute")
  })

  test("of activations: what a token keeps in each layer, its gradients in one, or what an evaluation makes of it", () => {
    const model = { hiddenSize: 2, intermediateSize: 5, attentionHeads: 3, layers: 4 }
    const numbers = (recompute: "none" | "blocks", evaluateBatchSize: number) =>
      largestActivations({ adapter: { method: "none" }, training: { recompute, evaluateBatchSize } } as never, model, {
        size: 2,
        length: 7
      })
    // eight rows of 2, two of 5, three heads' weights over 7 tokens; gradients of three rows of 2 and one of 5
    const [kept, gradients] = [8 * 2 + 2 * 5 + 3 * 7, 3 * 2 + 5]
    expect(numbers("none", 1)).toBe(2 * 7 * (4 * kept + gradients))
    expect(numbers("blocks", 1)).toBe(2 * 7 * (4 * 2 + kept + gradients))
    expect(numbers("none", 100)).toBe(100 * 7 * (10 * 2 + 3 * 5 + 3 * 7))
  })

  test("of activations: those of all layers, or with recomputation one hidden state a layer beside one layer's", async () => {
    const { plan, model } = await Effect.runPromise(resolved())
    const bytes = (recompute: "none" | "blocks", layers: number) => {
      const training = { ...plan.training, batchSize: 8, evaluateBatchSize: 1, recompute }
      return estimateMemory({ ...plan, training }, { ...model, layers }, { factors: 0, dense: 0, frozen: 0 }, [], 24)
        .activations
    }
    const hidden = 4 * 8 * 16 * model.hiddenSize // 8 rows of 16 tokens in float32
    const layer = bytes("none", 2) - bytes("none", 1)
    const gradients = bytes("none", 1) - layer
    expect(gradients).toBeGreaterThan(0)
    expect(bytes("none", 12)).toBe(12 * layer + gradients)
    expect(bytes("blocks", 12)).toBe(layer + 12 * hidden + gradients)
    expect(bytes("blocks", 1)).toBe(bytes("none", 1))
  })

  test("of what is trained: three copies of parameters, two of moments, and a checkpoint of both", async () => {
    const { plan, model, selected, trainable: counts } = await Effect.runPromise(resolved())
    const { factors, dense } = counts
    const linear = selected.sites.reduce((sum, { site }) => sum + site.in * site.out, 0)
    const trained = (optimizer: Partial<typeof plan.optimizer>) => {
      const changed = { ...plan, optimizer: { ...plan.optimizer, ...optimizer } as typeof plan.optimizer }
      const { trainable, checkpoint } = estimateMemory(changed, model, counts, selected.sites, 24)
      return [trainable / 4, checkpoint / 4]
    }
    const parameters = factors + dense
    const moments = { full: 2 * (linear + dense), efficient: 2 * parameters, sgd: 2 * dense }
    for (const form of ["full", "efficient", "sgd"] as const) {
      expect(trained({ form })).toEqual([3 * parameters + 2 * moments[form], parameters + moments[form]])
    }
  })

  test("of AdaLoRA: two more numbers for each of its factors, by which ranks are given up", async () => {
    const moments = async (adapter: object, kind = "adamw") => {
      const { plan, model, trainable, selected } = await Effect.runPromise(
        resolved({ adapter, optimizer: { kind, learningRate: 1e-3 } })
      )
      const { checkpoint } = estimateMemory(plan, model, trainable, selected.sites, 24)
      return [checkpoint / 4 - 3 * trainable.total, trainable.factors] as const
    }
    for (const kind of ["adamw", "lora-plus", "riemannian"]) {
      expect((await moments({ method: "lora" }, kind))[0]).toBe(0)
    }
    const [more, factors] = await moments({ method: "adalora" })
    expect(factors).toBeGreaterThan(0)
    expect(more).toBe(2 * factors)
  })

  test("of activations under DoRA: what each linear layer gives before its rows are scaled, too", async () => {
    const activations = async (method: string) => {
      const optimizer = { kind: "adamw", learningRate: 1e-3 }
      const { plan, model } = await Effect.runPromise(resolved({ adapter: { method }, optimizer }))
      const training = { ...plan.training, batchSize: 8, evaluateBatchSize: 1 }
      const none = { factors: 0, dense: 0, frozen: 0 }
      return { model, bytes: estimateMemory({ ...plan, training }, model, none, [], 24).activations }
    }
    const [lora, dora] = [await activations("lora"), await activations("dora")]
    const outputs = lora.model.sites.reduce((sum, { out }) => sum + out, 0)
    expect(dora.bytes - lora.bytes).toBe(4 * 8 * 16 * outputs) // 8 rows of 16 tokens in float32
  })

  test("of diagnostics: the full gradients of a look, twice where batches are added up, and no more than one pass holds", async () => {
    const { plan, model } = await Effect.runPromise(resolved())
    const linear = model.sites.reduce((sum, site) => sum + site.in * site.out, 0)
    const bytes = (training: object, sites = model.sites) =>
      estimateMemory(
        { ...plan, training: { ...plan.training, ...training } },
        { ...model, sites },
        { factors: 0, dense: 0, frozen: 0 },
        [],
        24
      ).trainable
    const diagnostics = { every: 10, sites: "all" } as const
    expect(bytes({ diagnostics }) - bytes({})).toBe(4 * linear)
    expect(bytes({ diagnostics, accumulate: 3 }) - bytes({ accumulate: 3 })).toBe(8 * linear)
    const wide = [{ name: "wide", kind: "dense", out: 20_000, in: 20_000 } as const]
    expect(bytes({ diagnostics }, wide) - bytes({}, wide)).toBe(256e6)
  })

  test("of a start that is subtracted: it, the pair of both, and its place in a checkpoint", async () => {
    const bytes = async (kind: string) => {
      const adapter = { method: "lora", init: { kind } }
      const { plan, model, trainable, selected } = await Effect.runPromise(resolved({ adapter }))
      const memory = estimateMemory(plan, model, trainable, selected.sites, 24)
      return [memory.trainable / 4, memory.checkpoint / 4, trainable.factors] as const
    }
    const [plain, subtracted] = [await bytes("kaiming"), await bytes("pissa")]
    const [, , factors] = plain
    expect(factors).toBeGreaterThan(0)
    expect(subtracted).toEqual([plain[0] + 3 * factors, plain[1] + factors, factors])
  })

  test("of weights: the linear ones as the plan holds them, the others in float32", async () => {
    const weightsAs = async (weights: string) =>
      (await Effect.runPromise(resolved({ model: { source: "bert", weights } }))).memory.weights
    const { model, trainable } = await Effect.runPromise(resolved())
    const linear = model.sites.reduce((sum, site) => sum + site.in * site.out, 0)
    const rows = model.sites.reduce((sum, site) => sum + site.out, 0)
    expect(linear).toBeGreaterThan(0)
    const others = 4 * (trainable.frozen - linear)
    expect(await weightsAs("f32")).toBe(others + 4 * linear)
    // a scale for each row
    expect(await weightsAs("f16")).toBe(others + 2 * linear + 4 * rows)
    expect(await weightsAs("int8")).toBe(others + linear + 4 * rows)
  })

  test("a batch is never larger than the data", async () => {
    const memory = async (batchSize: number) =>
      (await Effect.runPromise(resolved({ training: { steps: 4, batchSize } }))).memory.activations
    expect(await memory(1_000_000)).toBe(await memory(24))
  })
})

describe("problems, all of them together", () => {
  test("classes that are unknown because the data cannot be read are no second one", async () => {
    w.model("minilm") // whose config names none
    const problems = await problemsOf({ model: { source: "minilm" }, ...data({ train: "nowhere.jsonl" }) })
    expect(problems.join("\n")).toMatch(/nowhere\.jsonl: no such file/)
    expect(problems.join("\n")).not.toContain("labels")
  })

  test("tokenizer, targets and data at once", async () => {
    const tokenizer = w.json("bert/tokenizer.json") as { added_tokens: Array<unknown> }
    w.model("bert", "other")
    w.write("other/tokenizer.json", {
      ...tokenizer,
      added_tokens: [...tokenizer.added_tokens, { id: 500, content: "x" }]
    })
    w.write("broken.jsonl", '{"text": "x"}\n')
    const problems = await problemsOf({
      model: { source: "other" },
      adapter: { method: "lora", targets: ["qeury"] },
      ...data({ test: "broken.jsonl" })
    })
    expect(problems.join("\n")).toMatch(
      /qeury[\s\S]*tokenizer\.json: has ids up to 500, but the model's embedding has only 120 rows[\s\S]*broken\.jsonl:1/
    )
  })
})

test("of a method that gives up ranks: how many there are, and when the last of them goes", async () => {
  const plan = await Effect.runPromise(
    resolved({
      adapter: { method: "adalora", rank: 2, initialRank: 5, targets: ["query", "value"] },
      optimizer: { kind: "adamw", learningRate: 1e-3 },
      training: { steps: 50, batchSize: 4 }
    })
  )
  const text = describePlan(classification, plan)
  expect(text).toContain(
    "ranks      20 (5 per layer) at the start, 8 (2 per layer) after step 35, distributed over all layers"
  )
  expect(text).toMatch(/encoder\.layer\.0\.attention\.self\.query +32×32 +5 +16 +325\n/)
  expect(planJson(classification, plan)["ranks"]).toEqual({ start: 5, end: 35, every: 10, initial: 20, target: 8 })
  // 5 triplets of 32 + 32 + 1 numbers at each of four sites
  expect(plan.trainable.factors).toBe(4 * 5 * 64)
  expect(planJson(classification, await Effect.runPromise(resolved()))).not.toHaveProperty("ranks")
})

test("what is read of the checkpoint and what is not is said", async () => {
  const plan = await Effect.runPromise(resolved())
  expect(plan.model.unusedTensors.length).toBeGreaterThan(0)
  const text = describePlan(classification, plan)
  expect(text).toContain(`tensors of the checkpoint; not used: ${plan.model.unusedTensors.slice(0, 4).join(", ")}`)
  const json = planJson(classification, plan) as {
    readonly model: { readonly unusedTensors: unknown }
    readonly lengths: unknown
  }
  expect(json.model.unusedTensors).toEqual(plan.model.unusedTensors)
  expect(json.lengths).toEqual(plan.lengths)
})
