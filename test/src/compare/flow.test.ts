/** The workflow of a study on the in-memory engine: which trials there are, each once, and what follows from what. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import { countTrials } from "../../../src/compare/ask.ts"
import { StudyFlow, studyLayer } from "../../../src/compare/flow.ts"
import type { Study, Trial, TrialResult } from "../../../src/compare/study.ts"
import { failedResult } from "../../../src/compare/trial-run.ts"
import { MOST_BEYOND } from "../../../src/compare/trials.ts"
import { bestRates } from "../../../src/compare/verdict/index.ts"
import { exampleStudy } from "./study-example.ts"

const score = (loss: number) => ({ rows: 10, loss, accuracy: 0.5, macroF1: 0.5 })

const done = (trial: Trial, loss: number): TrialResult => ({
  trial,
  directory: `runs/${trial.id}`,
  status: "done",
  validation: score(loss),
  test: score(loss),
  trainLoss: loss,
  seconds: 1,
  peakBytes: 1,
  trainable: 1,
  stateBytes: 1,
  steps: 1,
  device: {}
})

/** Runs the study; `lossOf` undefined: the trial fails. */
const played = async (study: Study, lossOf: (trial: Trial) => number | undefined) => {
  const ran: Array<Trial> = []
  const run = (trial: Trial) =>
    Effect.sync(() => {
      ran.push(trial)
      const loss = lossOf(trial)
      return loss === undefined ? failedResult(trial, "", "diverged") : done(trial, loss)
    }).pipe(Effect.delay(ran.length % 3))
  const layer = studyLayer(study, run, bestRates).pipe(Layer.provideMerge(WorkflowEngine.layerMemory))
  const results = await Effect.runPromise(StudyFlow.execute({ study: study.id }).pipe(Effect.provide(layer)))
  return { ran, results }
}

/** Each rate as far from the method's best as it is. */
const bowl = (best: Readonly<Record<string, number>>) => (trial: Trial) =>
  Math.abs(Math.log(trial.learningRate / best[trial.method]!))

const rates = (trials: ReadonlyArray<Trial>) => [...new Set(trials.map(({ learningRate }) => learningRate))]
const of = (trials: ReadonlyArray<Trial>, stage: string, method: string) =>
  trials.filter((trial) => trial.stage === stage && trial.method === method)

describe("a grid", () => {
  const study = exampleStudy({ id: "grid" })

  test("every rate and seed once, then the best rate on every fresh seed", async () => {
    const { ran, results } = await played(study, bowl({ lora: 1e-3, "lora-pro": 5e-5, full: 1e-4 }))
    expect(of(ran, "sweep", "lora")).toHaveLength(3 * 2)
    expect(of(ran, "sweep", "lora-pro")).toHaveLength(3 * 2)
    expect(rates(of(ran, "final", "lora"))).toEqual([1e-3])
    expect(rates(of(ran, "final", "lora-pro"))).toEqual([5e-5])
    for (const method of study.methods)
      expect(
        of(ran, "final", method)
          .map(({ seed }) => seed)
          .sort()
      ).toEqual([...study.freshSeeds])
    expect(results.map(({ trial }) => trial.id).sort()).toEqual(ran.map(({ id }) => id).sort())
    expect(new Set(ran.map(({ id }) => id)).size).toBe(ran.length)
    expect(countTrials(study)).toEqual({ sweep: 12, final: 15, common: 0 })
  })

  test("one rate needs no sweep", async () => {
    const { ran } = await played(study, bowl({ lora: 1e-3, "lora-pro": 5e-5, full: 1e-4 }))
    expect(of(ran, "sweep", "full")).toEqual([])
    expect(rates(of(ran, "final", "full"))).toEqual([1e-4])
  })

  test("a method that fails at every rate has no final runs, and its failures are results", async () => {
    const { ran, results } = await played(study, (trial) => (trial.method === "lora" ? undefined : 1))
    expect(of(ran, "final", "lora")).toEqual([])
    expect(of(ran, "final", "lora-pro")).toHaveLength(5)
    expect(results.filter(({ status }) => status === "failed")).toHaveLength(6)
  })

  test("ranks are arms of their own; methods without a rank are run once for all", async () => {
    const ranks = exampleStudy({ id: "ranks", ranks: [2, 8] })
    const { ran } = await played(ranks, (trial) =>
      Math.abs(Math.log(trial.learningRate / (trial.rank === 2 ? 2e-3 : 5e-4)))
    )
    const finals = of(ran, "final", "lora")
    expect(rates(finals.filter(({ rank }) => rank === 2))).toEqual([2e-3])
    expect(rates(finals.filter(({ rank }) => rank === 8))).toEqual([5e-4])
    expect(of(ran, "final", "full").map(({ rank }) => rank)).toEqual([null, null, null, null, null])
  })
})

describe("a common rate", () => {
  test("every method at it; a final trial that is the same run is not run again and stands in both tables", async () => {
    const study = exampleStudy({ id: "common", commonRate: 1e-4 })
    const { ran, results } = await played(study, bowl({ lora: 1e-3, "lora-pro": 1e-4, full: 1e-4 }))
    expect(of(ran, "common", "lora")).toHaveLength(5)
    expect(of(ran, "common", "lora-pro")).toEqual([])
    const common = results.filter(({ trial }) => trial.stage === "common")
    expect(common).toHaveLength(15)
    for (const { trial, directory } of common.filter((result) => result.trial.method !== "lora"))
      expect(directory).toBe(`runs/${trial.id.replace("common", "final")}`)
    expect(new Set(results.map(({ trial }) => trial.id)).size).toBe(results.length)
  })
})

describe("a grid that widens", () => {
  const widening = (lora: ReadonlyArray<number>, id: string) =>
    exampleStudy({ id, strategy: "widening", methods: ["lora"], learningRates: { lora }, seeds: [0, 1] })
  const swept = (ran: ReadonlyArray<Trial>) => rates(ran.filter(({ stage }) => stage === "sweep")).sort((a, b) => a - b)

  test.each([
    ["larger", 9e-4, [1e-4, 2e-4, 4e-4, 8e-4, 1.6e-3]],
    ["smaller", 2.4e-5, [1.2e-5, 2.5e-5, 5e-5, 1e-4, 2e-4]],
    ["no others", 1.1e-4, [5e-5, 1e-4, 2e-4]]
  ])("goes on to %s rates until the best one has neighbours, and ends there", async (_, best, tried) => {
    const grid = tried.includes(5e-5) && tried.length === 3 ? [5e-5, 1e-4, 2e-4] : [1e-4, 2e-4]
    const { ran } = await played(widening(grid, `widens-${best}`), bowl({ lora: best }))
    expect(swept(ran)).toEqual(tried)
    const [chosen] = rates(of(ran, "final", "lora"))
    expect(chosen).toBe(tried.toSorted((a, b) => Math.abs(Math.log(a / best)) - Math.abs(Math.log(b / best)))[0]!)
  })

  test("where no rate works it goes down, and not for ever", async () => {
    const { ran } = await played(widening([1e-4, 2e-4], "diverges"), ({ learningRate }) =>
      learningRate > 3e-5 ? undefined : Math.abs(Math.log(learningRate / 1.3e-5))
    )
    expect(swept(ran)).toEqual([5.8e-6, 1.2e-5, 2.5e-5, 5e-5, 1e-4, 2e-4])
    expect(rates(of(ran, "final", "lora"))).toEqual([1.2e-5])
    const none = await played(widening([1e-4, 2e-4], "never"), () => undefined)
    expect(swept(none.ran)).toHaveLength(2 + MOST_BEYOND)
  })
})

describe("successive halving", () => {
  const halving = (lora: ReadonlyArray<number>, id: string) =>
    exampleStudy({ id, strategy: "halving", methods: ["lora"], learningRates: { lora }, seeds: [0] })

  test("the worse half drops out, the steps double, and the last round takes them all", async () => {
    const lora = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => n * 1e-4)
    const study = halving(lora, "halving")
    const { ran } = await played(study, bowl({ lora: 6e-4 }))
    const at = (share: number) =>
      rates(ran.filter((trial) => trial.stage === "sweep" && trial.share === share)).map((rate) =>
        Math.round(rate * 1e4)
      )
    expect(at(0.25)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(at(0.5)).toEqual([5, 6, 7, 8])
    expect(at(1)).toEqual([6, 7])
    expect(rates(of(ran, "final", "lora")).map((rate) => Math.round(rate * 1e4))).toEqual([6])
    expect(countTrials(study)).toEqual({ sweep: 14, final: 5, common: 0 })
  })

  test("two rates are not halved: they meet at the full length", async () => {
    const { ran } = await played(halving([1e-4, 2e-4], "two"), bowl({ lora: 2e-4 }))
    expect(ran.filter(({ stage }) => stage === "sweep").map(({ share }) => share)).toEqual([1, 1])
  })

  test("a rate that fails goes before one that does not, however bad", async () => {
    const { ran } = await played(halving([1e-4, 2e-4, 3e-4, 4e-4], "fails"), ({ learningRate }) =>
      learningRate > 2.5e-4 ? undefined : 100 - 1e4 * learningRate
    )
    const last = ran.filter(({ stage, share }) => stage === "sweep" && share === 1)
    expect(rates(last)).toEqual([1e-4, 2e-4])
  })
})
