/** One test per rule between fields, by its name; and the table of tests has every rule. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { decodeRunPlan, rules, unconditional } from "../../schemas/index.ts"
import { smallest } from "./plans.ts"

const adamw = { kind: "adamw", learningRate: 1e-3 }
const loraPlus = { kind: "lora-plus", ratio: 16, learningRate: 1e-3 }
const pooler = { kind: "classification", pooling: "pooler" }

/** "adamw", "sgd" or …: the optimizers that work with every adapter */
const others = unconditional
  .map((kind) => `"${kind}"`)
  .join(", ")
  .replace(/, ([^,]*)$/, " or $1")

interface Case {
  readonly bad: object
  readonly says: ReadonlyArray<string>
  /** the nearest plans that keep the rule */
  readonly good: ReadonlyArray<object>
}

const images = { format: "images", train: "photos" }
const arrays = { format: "arrays", train: "train.jsonl" }
const chat = { format: "chat", train: "train.jsonl" }

const seq2seq = { format: "seq2seq", train: "train.jsonl" }
const regression = { format: "regression", train: "train.jsonl" }
const regressionModel = { source: "folder", task: { kind: "regression" } }
const multiLabel = { format: "multi-label", train: "train.jsonl" }
const multiLabelModel = { source: "folder", task: { kind: "multi-label" } }

const cases: Record<string, Case> = {
  "one-scale-a-target": {
    bad: { model: regressionModel, data: { ...regression, scaling: { mean: [1, 2], deviation: [1, 1] } } },
    says: ["data.scaling: found 2 means and 2 deviations for 1 target; expected one of each per target, or no scaling"],
    good: [
      { model: regressionModel, data: { ...regression, scaling: { mean: [1], deviation: [2] } } },
      {
        model: regressionModel,
        data: { ...regression, target: ["a", "b"], scaling: { mean: [1, 2], deviation: [1, 1] } }
      }
    ]
  },
  "columns-are-the-labels": {
    bad: { model: multiLabelModel, data: { ...multiLabel, labelColumns: ["a"], labels: ["b"] } },
    says: ["data.labels: labels and labelColumns differ; the columns are the labels, so leave labels out"],
    good: [
      { model: multiLabelModel, data: { ...multiLabel, labelColumns: ["a"], labels: ["a"] } },
      { model: multiLabelModel, data: { ...multiLabel, labels: ["b"] } }
    ]
  },
  "even-split-begins-once": {
    bad: { optimizer: { kind: "reflora", learningRate: 1e-3, warmup: 0.1, warmupSteps: 5 } },
    says: ["optimizer.warmup: found both warmup (0.1) and warmupSteps (5); expected at most one of the two"],
    good: [
      { optimizer: { kind: "reflora", learningRate: 1e-3, warmup: 0.1 } },
      { optimizer: { kind: "reflora", learningRate: 1e-3, warmupSteps: 5 } }
    ]
  },
  "stop-early-is-evaluated": {
    bad: { training: { steps: 80, stopEarly: {} } },
    says: [
      "training.stopEarly: early stopping needs a validation split; set data.validation to a file or a fraction such as 0.1, or leave stopEarly out"
    ],
    good: [
      { data: { ...smallest.data, validation: 0.1 }, training: { steps: 80, stopEarly: {} } },
      { data: { ...smallest.data, validation: 0.1 }, training: { steps: 80, stopEarly: {}, evaluateEvery: 20 } }
    ]
  },
  "ranks-in-order": {
    bad: { adapter: { method: "lora", init: { kind: "gora", minRank: 9, maxRank: 8 } } },
    says: ["adapter.init: found minRank 9 and maxRank 8; expected minRank at most maxRank"],
    good: [
      { adapter: { method: "lora", init: { kind: "gora", minRank: 8, maxRank: 8 } } },
      { adapter: { method: "lora", init: { kind: "gora", minRank: 9 } } },
      { adapter: { method: "lora", init: { kind: "gora", maxRank: 8 } } }
    ]
  },
  "theorem-holds": {
    bad: { adapter: { method: "none" } },
    says: [
      `optimizer.kind: found "lora-pro" with adapter.method "none", which does not train factors A and B; expected ${others}, or adapter.method "lora"`
    ],
    good: [{ adapter: { method: "none" }, optimizer: adamw }, { adapter: { method: "lora" } }]
  },
  "moments-of-form": {
    bad: { optimizer: { kind: "lora-pro", learningRate: 1e-3, form: "full", moments: "invariant" } },
    says: ['optimizer.moments: found "invariant" with form "full"; expected "entrywise", or "factored", or no moments'],
    good: [
      { optimizer: { kind: "lora-pro", learningRate: 1e-3, form: "efficient", moments: "invariant" } },
      { optimizer: { kind: "lora-pro", learningRate: 1e-3, form: "full", moments: "factored" } },
      { optimizer: { kind: "lora-pro", learningRate: 1e-3, form: "full" } }
    ]
  },
  "clips-unmagnified-gradients": {
    bad: { optimizer: { kind: "lora-rite", learningRate: 1e-3, clipNorm: 1 } },
    says: [
      "optimizer.clipNorm: found 1, which clips the raw gradients, whose size depends on how BA is split into factors; set clipUnmagnified instead and leave out clipNorm"
    ],
    good: [
      { optimizer: { kind: "lora-rite", learningRate: 1e-3 } },
      { optimizer: { kind: "lora-rite", learningRate: 1e-3, clipNorm: null, clipUnmagnified: 2 } }
    ]
  },
  "factors-are-trained": {
    bad: { adapter: { method: "adalora" }, optimizer: loraPlus },
    says: [
      `optimizer.kind: found "lora-plus" with adapter.method "adalora", which has no factors A and B; expected ${others}, or adapter.method "lora" or "dora"`
    ],
    good: [
      { adapter: { method: "lora" }, optimizer: loraPlus },
      { adapter: { method: "dora" }, optimizer: loraPlus },
      { adapter: { method: "adalora" }, optimizer: adamw }
    ]
  },
  "diagnostics-need-factors": {
    bad: { adapter: { method: "dora" }, optimizer: adamw, training: { steps: 8, diagnostics: {} } },
    says: [
      'training.diagnostics: not supported with adapter.method "dora", since diagnostics compare with the full gradient of W + s·BA; leave diagnostics out, or set adapter.method to "lora"'
    ],
    good: [
      { adapter: { method: "lora" }, training: { steps: 8, diagnostics: {} } },
      { adapter: { method: "dora" }, optimizer: adamw, training: { steps: 8 } }
    ]
  },
  "adalora-gives-up-ranks": {
    bad: { adapter: { method: "adalora", rank: 8, initialRank: 7 }, optimizer: adamw },
    says: ["adapter.initialRank: found 7 with rank 8; expected at least rank, because ranks are only removed"],
    good: [
      { adapter: { method: "adalora", rank: 8, initialRank: 8 }, optimizer: adamw },
      { adapter: { method: "adalora", rank: 8 }, optimizer: adamw }
    ]
  },
  "adalora-budget-in-order": {
    bad: { adapter: { method: "adalora", budget: { start: 0.5, end: 0.5 } }, optimizer: adamw },
    says: ["adapter.budget: found start 0.5 and end 0.5; expected start before end"],
    good: [{ adapter: { method: "adalora", budget: { start: 0.4, end: 0.5 } }, optimizer: adamw }]
  },
  "gradient-reaches-the-sites": {
    bad: {
      model: { source: "m", task: { kind: "classification" }, head: "zeros" },
      adapter: { method: "lora", init: { kind: "lora-ga" } }
    },
    says: [
      'model.head: found "zeros" with adapter.init "lora-ga", which needs the gradient of the first batches: with a head of zeros all gradients are 0; expected "new" or "checkpoint", or another init'
    ],
    good: [
      { adapter: { method: "lora", init: { kind: "lora-ga" } } },
      {
        model: { source: "m", task: { kind: "classification" }, head: "zeros" },
        adapter: { method: "lora", init: { kind: "eva" } }
      }
    ]
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
    bad: { model: { source: "m", task: { kind: "classification" }, head: "checkpoint" } },
    says: [
      'model.head: found "checkpoint" with pooling "mean"; a checkpoint\'s classifier requires its pooler: set model.task.pooling to "pooler", or model.head to "new" or "zeros"'
    ],
    good: [
      { model: { source: "m", task: pooler, head: "checkpoint" } },
      { model: { source: "m", task: pooler, head: "new" } }
    ]
  },
  "packed-base-is-frozen": {
    bad: { model: { source: "m", weights: "int8" }, adapter: { method: "full" }, optimizer: adamw },
    says: [
      'model.weights: found "int8" with adapter.method "full", which trains the weights themselves; expected "f32", or another method'
    ],
    good: [
      { model: { source: "m", weights: "f32" }, adapter: { method: "full" }, optimizer: adamw },
      { model: { source: "m", weights: "f16" } },
      { model: { source: "m", weights: "int8" }, adapter: { method: "none" }, optimizer: adamw }
    ]
  },
  "format-fits-the-model": {
    bad: { data: arrays },
    says: [
      `data.format: found "arrays" with model.source "${smallest.model.source}"; set model.source to the model.json of a tf.LayersModel, or choose another format`
    ],
    good: [
      { data: arrays, model: { source: "model.json" } },
      { data: chat, model: { source: "hf:owner/model" } },
      { data: seq2seq, model: { source: "hf:owner/model" } },
      { model: { source: "hf:owner/model@main" } }
    ]
  },
  "something-is-adapted": {
    bad: { data: chat, adapter: { method: "none" }, optimizer: adamw },
    says: [
      'adapter.method: found "none", which trains only a head, for a causal language model, which has no head; choose another method, or set modulesToSave'
    ],
    good: [
      { data: chat, adapter: { method: "none", modulesToSave: ["lm_head"] }, optimizer: adamw },
      { data: seq2seq, adapter: { method: "none", modulesToSave: ["lm_head"] }, optimizer: adamw },
      { adapter: { method: "none" }, optimizer: adamw }
    ]
  },
  "zero-shot-has-no-head": {
    bad: {
      data: images,
      model: { source: "clip", task: { kind: "zero-shot" } },
      optimizer: { ...adamw, headLearningRate: 1e-3 }
    },
    says: ['optimizer.headLearningRate: found with model.task.kind "zero-shot", which trains no head; leave it out'],
    good: [
      { data: images, model: { source: "clip", task: { kind: "zero-shot" } } },
      { data: images, model: { source: "clip" }, optimizer: { ...adamw, headLearningRate: 1e-3 } }
    ]
  },
  "adapters-of-peft-need-its-models": {
    bad: { data: arrays, model: { source: "model.json" }, adapter: { method: "lora", from: "adapter" } },
    says: ["adapter.from: a PEFT adapter cannot be applied to a tf.LayersModel; leave adapter.from out"],
    good: [{ adapter: { method: "lora", from: "adapter" } }]
  },
  "blocks-to-recompute": {
    bad: { data: arrays, model: { source: "model.json" }, training: { steps: 1, recompute: "blocks" } },
    says: ['training.recompute: found "blocks" for a tf.LayersModel, which has no transformer blocks; expected "none"'],
    good: [{ training: { steps: 1, recompute: "blocks" } }]
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
      "optimizer.schedule.warmupSteps: found 80 with training.steps 80; expected fewer than the steps, otherwise the rate never reaches its peak"
    ],
    good: [
      { optimizer: { ...adamw, schedule: { kind: "linear", warmupSteps: 79 } } },
      { optimizer: { ...adamw, schedule: { kind: "linear", warmupSteps: 80 } }, training: { epochs: 1 } }
    ]
  },
  "decay-shrinks": {
    bad: { optimizer: { ...adamw, headLearningRate: 0.5, weightDecay: 2 } },
    says: [
      "optimizer.weightDecay: found 2 with a learning rate of 0.5; expected learning rate × weightDecay below 1, otherwise decay flips the sign of the weights"
    ],
    good: [{ optimizer: { ...adamw, weightDecay: 2 } }]
  }
}

const linesOf = (change: object): ReadonlyArray<string> => {
  const result = Effect.runSync(Effect.result(decodeRunPlan({ ...smallest, ...change })))
  return Result.isSuccess(result) ? [] : result.failure.message.split("\n")
}

test("every rule has its case here", () => {
  // kinds of plans may have a rule of one name, each with its own words
  expect(Object.keys(cases).sort()).toEqual([...new Set(rules.map(({ name }) => name))].sort())
})

describe.each(Object.entries(cases))("%s", (_name, { bad, good, says }) => {
  test("refuses what breaks it, and says so", () => {
    expect(linesOf(bad)).toEqual([...says])
  })
  test("accepts what keeps it", () => {
    for (const change of good) expect(linesOf(change)).toEqual([])
  })
})

test.each([
  ["dora", "whose weight is not W + s·BA: its rows are scaled to trained lengths"],
  ["adalora", "whose weight is not W + s·BA: P, λ and Q have a penalty, and entries of λ become 0"],
  ["full", "which does not train factors A and B"],
  ["none", "which does not train factors A and B"]
])("neither lora-pro nor riemannian with %s, and the reason", (method, reason) => {
  for (const kind of ["lora-pro", "riemannian"]) {
    expect(linesOf({ adapter: { method }, optimizer: { kind, learningRate: 1e-3 } })).toEqual([
      `optimizer.kind: found "${kind}" with adapter.method "${method}", ${reason}; expected ${others}, or adapter.method "lora"`
    ])
    expect(linesOf({ adapter: { method: "lora" }, optimizer: { kind, learningRate: 1e-3 } })).toEqual([])
  }
})

test("lora-plus decays B at B's own rate", () => {
  const decaying = (weightDecay: number) => linesOf({ optimizer: { ...loraPlus, learningRate: 0.01, weightDecay } })
  expect(decaying(6)).toEqual([])
  expect(decaying(7)).toEqual([
    "optimizer.weightDecay: found 7 with a learning rate of 0.16; expected learning rate × weightDecay below 1, otherwise decay flips the sign of the weights"
  ])
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
