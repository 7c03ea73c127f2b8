/** Every method's plan: sound, and the study's plan but for what is the method's own. */
import { describe, expect, test } from "bun:test"
import * as Result from "effect/Result"
import { decodeRunPlanResult } from "../../../schemas/decode.ts"
import type { RunPlan } from "../../../schemas/index.ts"
import { comparedMethod, methodNames } from "../../../src/compare/methods.ts"
import type { Trial } from "../../../src/compare/study.ts"
import { headRateOf, trialPlan } from "../../../src/compare/trials.ts"
import { optimizerOf } from "../../../src/optimizers/index.ts"

const planOf = (more: Record<string, unknown> = {}): RunPlan =>
  Result.getOrThrow(
    decodeRunPlanResult({
      seed: 3,
      model: { source: "model" },
      data: { format: "classification", train: "train.jsonl", validation: "validation.jsonl", test: "test.jsonl" },
      adapter: {
        method: "lora",
        rank: 4,
        alpha: 12,
        targets: "attention",
        exclude: ["key"],
        modulesToSave: ["pooler"]
      },
      optimizer: {
        kind: "lora-pro",
        learningRate: 1e-3,
        headLearningRate: 5e-3,
        damping: 1e-6,
        x: "zero",
        weightDecay: 0.01,
        clipNorm: 1,
        betas: [0.8, 0.95],
        epsilon: 1e-6,
        schedule: { kind: "linear", warmupSteps: 10 }
      },
      training: { steps: 80, diagnostics: { every: 5 } },
      output: { directory: "somewhere", checkpointEvery: 7 },
      ...more
    })
  )

const plan = planOf()
const part = { stage: "final", learningRate: 2e-4, rank: 8, seed: 11, share: 1 } as const
const trial = (method: string, more: Partial<Trial> = {}, from = plan) =>
  Result.getOrThrow(trialPlan(from, { ...part, method, ...more }))

describe.each(methodNames)("%s", (name) => {
  const made = trial(name)

  test("moves at the trial's rate, and its head at the plan's", () => {
    expect(made.optimizer.learningRate).toBe(2e-4)
    expect(made.optimizer.headLearningRate).toBe(5e-3)
  })

  test("leaves everything else as it is", () => {
    const { adapter, optimizer, training, seed, output, ...rest } = made
    const { adapter: _, optimizer: __, training: ___, seed: ____, output: _____, ...own } = plan
    expect(rest).toEqual(own)
    expect(seed).toBe(11)
    expect(output).toEqual({ checkpointEvery: 7, keep: "auto" })
    // some clip in a way of their own, and are refused with this one
    const clips = !(optimizerOf(optimizer).rules ?? []).some((rule) => rule.problem({ ...optimizer, clipNorm: 1 }))
    expect(optimizer).toMatchObject({ weightDecay: 0.01, clipNorm: clips ? 1 : null })
    // Lion has decay rates of another meaning
    if (optimizerOf(optimizer).moments !== null) expect(optimizer).toMatchObject({ betas: [0.8, 0.95], epsilon: 1e-6 })
    expect(optimizer.schedule).toEqual({ kind: "linear", warmupSteps: 10 })
    const { training: planned } = plan
    // compared by what they end with, unless the plan looks on the way
    expect({ ...training, diagnostics: undefined }).toEqual({
      evaluateEvery: "never",
      ...planned,
      diagnostics: undefined
    })
    expect(adapter.modulesToSave).toEqual(["pooler"])
    if (adapter.method !== "none") {
      expect(adapter.targets).toBe("attention")
      expect(adapter.exclude).toEqual(["key"])
    }
  })

  test("sees the gradient where W + s·BA is trained, and only there", () => {
    expect(made.training.diagnostics === undefined).toBe(made.adapter.method !== "lora")
  })

  test("keeps the test split and the gradients out of a sweep", () => {
    const { data, training } = trial(name, { stage: "sweep" })
    const { test: split, ...kept } = made.data
    expect(split).toBe("test.jsonl")
    expect(data).toEqual(kept)
    expect("test" in data).toBe(false)
    expect(training.diagnostics).toBeUndefined()
  })

  test("has a rank where it says so, with the plan's α/r", () => {
    expect("rank" in made.adapter).toBe(comparedMethod(name).ranked)
    if ("rank" in made.adapter) {
      expect(made.adapter.rank).toBe(8)
      if ("alpha" in made.adapter) expect(made.adapter.alpha).toBe(24) // 12/4 · 8
    }
  })

  test("takes a share of the steps, and its warm-up with them", () => {
    const { training, optimizer } = trial(name, { share: 0.25 })
    expect(training.steps).toBe(20)
    expect(optimizer.schedule.warmupSteps).toBe(2)
  })
})

test("no two methods are the same run", () => {
  const made = methodNames.map((name) => JSON.stringify([trial(name).adapter, trial(name).optimizer]))
  expect(new Set(made).size).toBe(methodNames.length)
})

test("what the plan says of LoRA-Pro is LoRA-Pro's in every form, and nobody else's", () => {
  for (const form of ["full", "efficient", "sgd"] as const) {
    const name = form === "full" ? "lora-pro" : `lora-pro-${form}`
    expect(trial(name).optimizer).toMatchObject({ kind: "lora-pro", form, x: "zero", damping: 1e-6 })
  }
  expect(trial("lora-pro-efficient").optimizer).not.toHaveProperty("moments")
  expect(trial("lora-pro-invariant").optimizer).toMatchObject({ form: "efficient", moments: "invariant", x: "zero" })
  expect(trial("riemannian").optimizer).toMatchObject({ damping: 1e-6 }) // its own default, which happens to be this
  expect(trial("lora").optimizer).not.toHaveProperty("damping")
})

test("without a rate of its own the head has the plan's rate in every trial, whatever the method's", () => {
  const bare = planOf({ optimizer: { kind: "adamw", learningRate: 3e-4 } })
  expect(headRateOf(bare)).toBe(3e-4)
  for (const name of methodNames) expect(trial(name, {}, bare).optimizer.headLearningRate).toBe(3e-4)
})

test("epochs are shared out too", () => {
  const { training } = trial(
    "lora",
    { share: 0.5 },
    planOf({ training: { epochs: 3 }, optimizer: { kind: "adamw", learningRate: 1e-3 } })
  )
  expect(training.epochs).toBe(1.5)
})

test("what a method cannot do with the plan is said with the path", () => {
  const packed = planOf({ model: { source: "model", weights: "int8" } })
  const refused = trialPlan(packed, { ...part, method: "full", rank: null })
  expect(Result.isFailure(refused) && refused.failure.map(({ path }) => path)).toEqual(["model.weights"])
})

test("grids ascend, and hold the rate that was measured as best inside them", () => {
  for (const name of methodNames) {
    const { learningRates } = comparedMethod(name)
    expect([...learningRates].sort((a, b) => a - b)).toEqual([...learningRates])
  }
  const inside: Readonly<Record<string, number>> = {
    lora: 1e-3,
    rslora: 5e-4,
    dora: 1e-3,
    pissa: 3e-4,
    "lora-ga": 1e-4,
    "lora-pro": 1e-4,
    full: 1e-4
  }
  for (const [name, best] of Object.entries(inside)) {
    const { learningRates } = comparedMethod(name)
    expect(learningRates.slice(1, -1)).toContain(best)
  }
})
