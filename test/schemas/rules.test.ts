/** One test per rule between fields, by its name; and the table of tests has every rule. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { decodeRunPlan, rules } from "../../schemas/index.ts"
import { smallest } from "./plans.ts"

const adamw = { kind: "adamw", learningRate: 1e-3 }
const pooler = { kind: "classification", pooling: "pooler", headInit: "checkpoint" }

interface Case {
  readonly bad: object
  readonly says: ReadonlyArray<string>
  /** the nearest plans that keep the rule */
  readonly good: ReadonlyArray<object>
}

const cases: Record<string, Case> = {
  "lora-pro-needs-factors": {
    bad: { adapter: { method: "none" } },
    says: [
      'optimizer.kind: found "lora-pro" with adapter.method "none", which has no factors A and B to move; expected "adamw" or "sgd" here, or adapter.method "lora"'
    ],
    good: [{ adapter: { method: "none" }, optimizer: adamw }, { adapter: { method: "lora" } }]
  },
  "overrides-say-something": {
    bad: {
      adapter: {
        method: "lora",
        overrides: [{ targets: ["query"], rank: 4 }, { targets: ["key"] }, { targets: ["value"] }]
      }
    },
    says: [
      "adapter.overrides.1: found neither rank nor alpha; expected at least one of the two",
      "adapter.overrides.2: found neither rank nor alpha; expected at least one of the two"
    ],
    good: [{ adapter: { method: "lora", overrides: [{ targets: ["query"], alpha: 4 }] } }]
  },
  "checkpoint-head-needs-pooler": {
    bad: { model: { source: "m", task: { kind: "classification", headInit: "checkpoint" } } },
    says: [
      'model.task.headInit: found "checkpoint" with pooling "mean"; a checkpoint\'s classifier stands on its pooler: set model.task.pooling to "pooler", or headInit to "normal" or "zeros"'
    ],
    good: [
      { model: { source: "m", task: pooler } },
      { model: { source: "m", task: { ...pooler, headInit: "normal" } } }
    ]
  },
  "packed-base-is-frozen": {
    bad: { model: { source: "m", weights: "int8" }, adapter: { method: "full" }, optimizer: adamw },
    says: [
      'model.weights: found "int8" with adapter.method "full", which trains the weights themselves; expected "f32" here, or another method'
    ],
    good: [
      { model: { source: "m", weights: "f32" }, adapter: { method: "full" }, optimizer: adamw },
      { model: { source: "m", weights: "f16" } },
      { model: { source: "m", weights: "int8" }, adapter: { method: "none" }, optimizer: adamw }
    ]
  },
  "steps-or-epochs": {
    bad: { training: {} },
    says: ["training: found neither steps nor epochs; expected exactly one of the two"],
    good: [{ training: { epochs: 0.5 } }]
  },
  "warmup-once": {
    bad: { optimizer: { ...adamw, schedule: { kind: "linear", warmup: 0.1, warmupSteps: 5 } } },
    says: ["optimizer.schedule: found both warmup (0.1) and warmupSteps (5); expected at most one of the two"],
    good: [
      { optimizer: { ...adamw, schedule: { kind: "linear", warmup: 0 } } },
      { optimizer: { ...adamw, schedule: { kind: "cosine", warmupSteps: 5 } } }
    ]
  },
  "warmup-ends": {
    bad: { optimizer: { ...adamw, schedule: { kind: "linear", warmupSteps: 80 } } },
    says: [
      "optimizer.schedule.warmupSteps: found 80 with training.steps 80; expected fewer than the steps, else the rate never reaches its peak"
    ],
    good: [
      { optimizer: { ...adamw, schedule: { kind: "linear", warmupSteps: 79 } } },
      { optimizer: { ...adamw, schedule: { kind: "linear", warmupSteps: 80 } }, training: { epochs: 1 } }
    ]
  },
  "decay-shrinks": {
    bad: { optimizer: { ...adamw, headLearningRate: 0.5, weightDecay: 2 } },
    says: [
      "optimizer.weightDecay: found 2 with a learning rate of 0.5; expected learning rate × weightDecay below 1, else decay flips the sign of the weights"
    ],
    good: [{ optimizer: { ...adamw, weightDecay: 2 } }]
  }
}

const linesOf = (change: object): ReadonlyArray<string> => {
  const result = Effect.runSync(Effect.result(decodeRunPlan({ ...smallest, ...change })))
  return Result.isSuccess(result) ? [] : result.failure.message.split("\n")
}

test("every rule has its case here, and names are unique", () => {
  expect(Object.keys(cases)).toEqual(rules.map(({ name }) => name))
})

describe.each(Object.entries(cases))("%s", (_name, { bad, good, says }) => {
  test("refuses what breaks it, and says so", () => {
    expect(linesOf(bad)).toEqual([...says])
  })
  test("accepts what keeps it", () => {
    for (const change of good) expect(linesOf(change)).toEqual([])
  })
})

test("both of steps and epochs are one too many", () => {
  expect(linesOf({ training: { steps: 3, epochs: 1 } })).toEqual([
    "training: found both steps (3) and epochs (1); expected exactly one of the two"
  ])
})

test("labels are given once each", () => {
  const data = { format: "classification", train: "t.jsonl", labels: ["a", "b", "a"] }
  expect(linesOf({ data })).toEqual(['data.labels: found ["a","b","a"]; expected a list of labels, each once'])
})

test("all broken rules are told at once", () => {
  expect(linesOf({ adapter: { method: "full" }, training: {} })).toHaveLength(2)
})
