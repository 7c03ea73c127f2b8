/** Studies and results as data, for tests of the verdict. */

import * as Result from "effect/Result"
import { decodeRunPlanResult } from "../../../schemas/decode.ts"
import type { Measure } from "../../../src/compare/measure.ts"
import type { Study, Trial, TrialResult } from "../../../src/compare/study.ts"

const plan = Result.getOrThrow(
  decodeRunPlanResult({
    model: { source: "model" },
    data: { format: "classification", train: "train.jsonl", validation: "validation.jsonl", test: "test.jsonl" },
    optimizer: { kind: "adamw", learningRate: 1e-3 },
    training: { steps: 80 }
  })
)

export const exampleStudy = (more: Partial<Study> = {}): Study => ({
  id: "example",
  name: "example",
  plan,
  methods: ["lora", "lora-pro", "full"],
  learningRates: { lora: [5e-4, 1e-3, 2e-3], "lora-pro": [5e-5, 1e-4, 2e-4], full: [1e-4] },
  ranks: [8],
  seeds: [0, 1],
  freshSeeds: [100, 101, 102, 103, 104],
  commonRate: null,
  strategy: "grid",
  device: "wasm",
  storage: "sqlite://compare.sqlite",
  ...more
})

/** What runs of the example are judged by. */
export const accuracy: Measure = {
  name: "accuracy",
  label: "accuracy",
  unit: "%",
  better: "higher",
  others: [{ name: "macroF1", label: "macro-F1", unit: "%" }]
}

export type TrialPart = Partial<Trial> & Pick<Trial, "method" | "learningRate" | "seed">

const trialOf = (part: TrialPart): Trial => {
  const trial = { stage: "final" as const, rank: part.method === "full" ? null : 8, share: 1, ...part }
  const { stage, method, rank, learningRate, seed, share } = trial
  return { id: [stage, method, rank, learningRate, seed, share].join("-"), ...trial }
}

export const ROWS = 800

/** A run that ended well. */
export const done = (part: TrialPart, accuracy: number, more: Partial<TrialResult> = {}): TrialResult => {
  const trial = trialOf(part)
  const score = { rows: ROWS, loss: 1 - accuracy, accuracy, macroF1: accuracy }
  return {
    trial,
    directory: `runs/${trial.id}`,
    status: "done",
    validation: { ...score, rows: 240 },
    test: score,
    trainLoss: 0.3,
    seconds: 12,
    peakBytes: 400e6,
    trainable: 332_546,
    stateBytes: 2.6e6,
    steps: 80,
    device: { backend: "wasm", threads: 2 },
    ...more
  }
}

/** A run that diverged. */
export const failed = (part: TrialPart, reason = "step 3: the loss is not finite"): TrialResult => ({
  ...done(part, 0),
  status: "failed",
  reason,
  validation: null,
  test: null,
  trainLoss: null,
  seconds: null,
  peakBytes: null,
  trainable: null,
  stateBytes: null,
  steps: null,
  device: null
})

/** A run of the sweep with this validation loss. */
export const swept = (part: TrialPart, loss: number): TrialResult =>
  done({ stage: "sweep", ...part }, 0.8, { validation: { rows: 240, loss, accuracy: 0.8, macroF1: 0.8 } })

/** Fresh runs of a method, one accuracy a seed from 100 on; null is a run that failed. */
export const fresh = (
  method: string,
  accuracies: ReadonlyArray<number | null>,
  more: Partial<Trial> = {}
): ReadonlyArray<TrialResult> =>
  accuracies.map((accuracy, i) => {
    const part = { method, learningRate: 1e-3, seed: 100 + i, ...more }
    return accuracy === null ? failed(part) : done(part, accuracy)
  })
