/**
 * What a verdict says and what it must not say: rates are picked by validation, a difference is called only where its corrected
 * interval leaves out 0, and runs that failed are counted wherever their method is.
 */
import { describe, expect, test } from "bun:test"
import type { Measure } from "../../../src/compare/measure.ts"
import type { Study, TrialResult } from "../../../src/compare/study.ts"
import { bestRates, sweepsOf } from "../../../src/compare/verdict/best-rates.ts"
import { judge, labelOf, markdownOf } from "../../../src/compare/verdict/index.ts"
import { claimsOf, costCells, costHead, costWords, coverage, leadOf } from "../../../src/compare/verdict/sentences.ts"
import { accuracy, done, exampleStudy, failed, fresh, swept } from "./study-example.ts"

const verdictOf = (results: ReadonlyArray<TrialResult>, study: Study = exampleStudy(), measure: Measure = accuracy) =>
  judge(study, results, labelOf, measure)
const entryOf = (verdict: ReturnType<typeof verdictOf>, method: string, rank?: number) =>
  verdict.final!.entries.find((entry) => entry.method === method && (rank === undefined || entry.rank === rank))!

const lora = (learningRate: number, seed: number) => ({ method: "lora", learningRate, seed })

describe("the best rate", () => {
  const sweep = (losses: Readonly<Record<number, ReadonlyArray<number | null>>>) =>
    Object.entries(losses).flatMap(([rate, each]) =>
      each.map((loss, seed) =>
        loss === null ? failed({ stage: "sweep", ...lora(Number(rate), seed) }) : swept(lora(Number(rate), seed), loss)
      )
    )

  test("is the one with the lowest validation loss, mean over the seeds", () => {
    const results = sweep({ 5e-4: [0.3, 0.31], 1e-3: [0.2, 0.35], 2e-3: [0.28, 0.28] })
    expect(bestRates(results)).toEqual([{ method: "lora", rank: 8, learningRate: 1e-3 }])
    expect(sweepsOf(results)[0]!.edge).toBeNull()
  })

  test("is the smaller of equals, whatever the order of the results", () => {
    const results = sweep({ 2e-3: [0.25, 0.25], 1e-3: [0.25, 0.25], 4e-3: [0.3, 0.3] })
    expect(bestRates(results)[0]!.learningRate).toBe(1e-3)
    expect(bestRates([...results].reverse())[0]!.learningRate).toBe(1e-3)
  })

  test("is none at which a run failed, while there is another", () => {
    expect(bestRates(sweep({ 5e-4: [0.3, 0.3], 1e-3: [0.1, null] }))[0]!.learningRate).toBe(5e-4)
    const all = sweep({ 5e-4: [null, null], 1e-3: [0.1, null] })
    expect(bestRates(all)[0]!.learningRate).toBe(1e-3)
    expect(verdictOf(all).warnings.join("\n")).toContain("LoRA: at its best rate, 1e-3, 1 of 2 sweep runs failed")
  })

  test("a loss that is not finite counts as a failure", () => {
    const blown = done({ stage: "sweep", ...lora(1e-3, 0) }, 0.8, {
      validation: { rows: 240, loss: null, accuracy: 0.5, macroF1: 0.3 }
    })
    expect(bestRates([blown, swept(lora(5e-4, 0), 0.6)])[0]!.learningRate).toBe(5e-4)
  })

  test("is none where nothing works, and the method is in the table all the same", () => {
    const results = [...sweep({ 5e-4: [null, null], 1e-3: [null, null] }), ...fresh("full", [0.9, 0.91])]
    expect(bestRates(results)).toEqual([])
    const verdict = verdictOf(results)
    expect(entryOf(verdict, "lora")).toMatchObject({ learningRate: null, done: 0, test: null, againstFull: null })
    expect(verdict.warnings).toContain(
      "LoRA: no rate of its grid worked: every run failed, or none has a validation loss"
    )
  })

  test("at an edge of the grid is warned of, and inside it is not", () => {
    const edge = (losses: Parameters<typeof sweep>[0]) => verdictOf(sweep(losses)).warnings.join("\n")
    expect(edge({ 5e-4: [0.3, 0.3], 1e-3: [0.2, 0.2] })).toContain(
      "LoRA: its best rate, 1e-3, is the largest of its grid (5e-4 to 1e-3), so a larger one may be better"
    )
    expect(edge({ 5e-4: [0.1, 0.1], 1e-3: [0.2, 0.2] })).toContain("is the smallest of its grid")
    expect(edge({ 5e-4: [0.3, 0.3], 1e-3: [0.2, 0.2], 2e-3: [0.3, 0.3] })).toBe("")
  })

  test("of a halved sweep is among the rates that went to the end, on the grid of all", () => {
    const short = (rate: number, loss: number) => swept({ ...lora(rate, 0), share: 0.5 }, loss)
    const results = [
      ...[short(5e-4, 0.9), short(1e-3, 0.5), short(2e-3, 0.4), short(4e-3, 0.01)],
      ...[swept(lora(1e-3, 0), 0.2), swept(lora(2e-3, 0), 0.3)]
    ]
    expect(bestRates(results)[0]!.learningRate).toBe(1e-3)
    const [only] = sweepsOf(results)
    expect(only!.points.map(({ learningRate, share }) => [learningRate, share])).toEqual([
      [5e-4, 0.5],
      [1e-3, 1],
      [2e-3, 1],
      [4e-3, 0.5]
    ])
    expect(only!.edge).toBeNull()
  })

  test("ranks have rates of their own", () => {
    const at = (rank: number, rate: number, loss: number) => swept({ ...lora(rate, 0), rank }, loss)
    const results = [at(4, 1e-3, 0.2), at(4, 2e-3, 0.3), at(16, 1e-3, 0.3), at(16, 2e-3, 0.2)]
    expect(bestRates(results).map(({ rank, learningRate }) => [rank, learningRate])).toEqual([
      [4, 1e-3],
      [16, 2e-3]
    ])
  })
})

const plain = [0.88, 0.87, 0.885, 0.879, 0.882]
const shifted = (by: ReadonlyArray<number>) => plain.map((accuracy, i) => accuracy + by[i]!)

describe("differences", () => {
  test("one that its interval supports is called, in points and by name", () => {
    const verdict = verdictOf([
      ...fresh("lora", plain),
      ...fresh("lora-pro", shifted([0.02, 0.025, 0.02, 0.0225, 0.02]))
    ])
    const { againstLora } = entryOf(verdict, "lora-pro")
    expect(againstLora!.claim).toBe("ahead")
    expect(againstLora!.words).toBe("ahead of LoRA by 2.1 points (interval +1.9 to +2.4)")
    expect(verdict.final!.comparisons).toBe(1)
    expect(claimsOf(accuracy, verdict.final!)).toBe("Ahead of LoRA: LoRA-Pro (+2.1 points).")
  })

  test("a metric that is better when it is lower puts the lower one ahead, and counts in no points", () => {
    const perplexity: Measure = {
      name: "perplexity",
      label: "perplexity",
      unit: "exp(loss)",
      better: "lower",
      others: []
    }
    const measured = (results: ReadonlyArray<TrialResult>) =>
      results.map((result) => ({ ...result, test: { rows: 20, loss: 1, perplexity: 10 * result.test!["accuracy"]! } }))
    const verdict = verdictOf(
      [
        ...measured(fresh("lora", plain)),
        ...measured(fresh("lora-pro", shifted([-0.02, -0.025, -0.02, -0.0225, -0.02])))
      ],
      exampleStudy(),
      perplexity
    )
    const { againstLora, test: reached } = entryOf(verdict, "lora-pro")
    expect(againstLora!.claim).toBe("ahead")
    expect(againstLora!.words).toBe("ahead of LoRA by 0.215 (interval −0.243 to −0.187)")
    expect(reached!.interval![1]).toBeGreaterThan(1)
    expect(leadOf(verdict)).toContain("Judged by perplexity on test")
    expect(coverage(verdict.final!, verdict)).toContain("with other rows, the perplexity of all methods would change")
    expect(markdownOf(verdict)).toContain("| validation | test (95 % interval) |")
  })

  test("one that it does not support is not, whatever its size", () => {
    const verdict = verdictOf([...fresh("lora", plain), ...fresh("lora-pro", shifted([0.1, -0.05, 0.12, -0.01, 0.02]))])
    const { againstLora } = entryOf(verdict, "lora-pro")
    expect(againstLora!.mean!).toBeGreaterThan(0.03)
    expect(againstLora!.claim).toBe("not told apart")
    expect(againstLora!.words).toMatch(
      /^not distinguishable from LoRA: \+3\.6 points \(interval −\d+\.\d to \+\d+\.\d\)$/
    )
    expect(claimsOf(accuracy, verdict.final!)).toBe("Not distinguishable from LoRA: LoRA-Pro.")
  })

  test("more comparisons ask for more: what one alone would call, many do not", () => {
    const weak = [0.015, 0.012, 0.0025, 0.002, 0.02]
    const alone = verdictOf([...fresh("lora", plain), ...fresh("pissa", shifted(weak))])
    expect(entryOf(alone, "pissa").againstLora!.claim).toBe("ahead")
    const others = ["rslora", "dora", "adalora", "lora-ga"].flatMap((method, i) =>
      fresh(method, shifted([0.001 * i, -0.002, 0.003, -0.001, 0.0005]))
    )
    const methods = ["lora", "pissa", "rslora", "dora", "adalora", "lora-ga"]
    const together = verdictOf(
      [...fresh("lora", plain), ...fresh("pissa", shifted(weak)), ...others],
      exampleStudy({ methods })
    )
    const { againstLora } = entryOf(together, "pissa")
    expect(together.final!.comparisons).toBe(5)
    expect(againstLora!.probability!).toBeLessThan(0.05)
    expect(againstLora!.adjusted!).toBeGreaterThan(0.05)
    expect(againstLora!.claim).toBe("not told apart")
    expect(againstLora!.interval![0]).toBeLessThan(0)
    expect(againstLora!.interval95![0]).toBeGreaterThan(0)
  })

  test("are paired by seed: what the seeds share is no part of them", () => {
    const luck = [0.8, 0.9, 0.85, 0.92, 0.78]
    const pro = luck.map((accuracy, i) => accuracy + [0.01, 0.012, 0.009, 0.01, 0.011][i]!)
    const paired = verdictOf([...fresh("lora", luck), ...fresh("lora-pro", pro)])
    expect(entryOf(paired, "lora-pro").againstLora!.claim).toBe("ahead")
    // the same accuracies, each at another seed
    const turned = verdictOf([...fresh("lora", luck), ...fresh("lora-pro", [...pro.slice(1), pro[0]!])])
    expect(entryOf(turned, "lora-pro").againstLora!.claim).toBe("not told apart")
    // the order in which results come is not the order of the seeds
    const mixed = verdictOf([...[...fresh("lora", luck)].reverse(), ...fresh("lora-pro", pro)])
    expect(entryOf(mixed, "lora-pro").againstLora!.words).toBe(entryOf(paired, "lora-pro").againstLora!.words)
  })

  test("one seed says nothing", () => {
    const study = exampleStudy({ freshSeeds: [100] })
    const verdict = verdictOf([...fresh("lora", [0.5]), ...fresh("lora-pro", [0.99])], study)
    const entry = entryOf(verdict, "lora-pro")
    expect(entry.againstLora).toMatchObject({
      claim: "nothing said",
      interval: null,
      interval95: null,
      probability: null
    })
    expect(entry.againstLora!.words).toBe("+49.0 points compared with LoRA on one seed (no interval)")
    expect(entry.test!.interval).toBeNull()
    expect(claimsOf(accuracy, verdict.final!)).toBe("There are too few runs to compare the methods.")
    expect(verdict.warnings.join()).toContain("one fresh seed gives no intervals")
  })

  test("the same difference at every seed says nothing either: its spread of 0 is a matter of counting rows", () => {
    // 0.8825 − 0.87 and 0.8775 − 0.865 differ in their last bit
    const verdict = verdictOf([...fresh("lora", [0.87, 0.865]), ...fresh("lora-pro", [0.8825, 0.8775])])
    expect(entryOf(verdict, "lora-pro").againstLora!.words).toBe(
      "+1.3 points compared with LoRA on each of 2 seeds (no interval)"
    )
    expect(verdict.final!.comparisons).toBe(0)
  })

  test("two methods told apart once are told from both sides, and tested once", () => {
    const verdict = verdictOf([...fresh("lora", plain), ...fresh("full", shifted([0.02, 0.025, 0.02, 0.0225, 0.02]))])
    const [down, up] = [entryOf(verdict, "lora").againstFull!, entryOf(verdict, "full").againstLora!]
    expect(verdict.final!.comparisons).toBe(1)
    expect(up.words).toBe("ahead of LoRA by 2.1 points (interval +1.9 to +2.4)")
    expect(down.words).toBe("behind full fine-tuning by 2.1 points (interval −2.4 to −1.9)")
    expect(down.interval).toEqual([-up.interval![1], -up.interval![0]])
    expect(claimsOf(accuracy, verdict.final!)).toBe("Ahead of LoRA: full fine-tuning (+2.1 points).")
  })

  test("baselines have the same rank; a method without one is held against the rank that validation puts first", () => {
    const study = exampleStudy({ ranks: [4, 16] })
    const worse = plain.map((accuracy) => accuracy - 0.1)
    const verdict = verdictOf(
      [
        ...[...fresh("lora", worse, { rank: 4 }), ...fresh("lora", plain, { rank: 16 })],
        ...[4, 16].flatMap((rank) => fresh("lora-pro", plain, { rank })),
        ...fresh("full", plain)
      ],
      study
    )
    expect(entryOf(verdict, "lora-pro", 4).againstLora!.name).toBe("LoRA r 4")
    expect(entryOf(verdict, "lora-pro", 16).againstLora!.name).toBe("LoRA r 16")
    expect(entryOf(verdict, "full").againstLora!.name).toBe("LoRA r 16")
    expect(entryOf(verdict, "lora", 4).againstFull!.name).toBe("full fine-tuning")
    expect(entryOf(verdict, "lora", 4).againstLora).toBeNull()
  })
})

describe("failed runs", () => {
  const ahead = shifted([0.02, 0.025, 0.02, 0.0225, 0.02])

  test("are counted, and the survivors are not averaged in silence", () => {
    const verdict = verdictOf([...fresh("lora", plain), ...fresh("lora-pro", [null, null, ...ahead.slice(2)])])
    const entry = entryOf(verdict, "lora-pro")
    expect(entry).toMatchObject({ done: 3, failed: 2, missing: 0 })
    expect(entry.test!.n).toBe(3)
    expect(verdict.warnings).toContain(
      "LoRA-Pro: 2 of 5 fresh runs at its best rate failed; its figures are over the 3 that did not"
    )
    expect(leadOf(verdict)).toContain("10 runs of 3 methods, 2 of them failed")
  })

  test("survivors do not put a method ahead", () => {
    const verdict = verdictOf([...fresh("lora", plain), ...fresh("lora-pro", [...ahead.slice(0, 4), null])])
    const { againstLora } = entryOf(verdict, "lora-pro")
    expect(againstLora!.interval![0]).toBeGreaterThan(0)
    expect(againstLora!.claim).toBe("nothing said")
    expect(againstLora!.words).toMatch(
      /^\+2\.2 points compared with LoRA, inconclusive \(interval .*\); 1 of its runs failed, over the 4 seeds left$/
    )
  })

  test("but they may well put it behind", () => {
    const behind = plain.map((accuracy, i) => accuracy - [0.02, 0.025, 0.02, 0.0225, 0.02][i]!)
    const verdict = verdictOf([...fresh("lora", plain), ...fresh("lora-pro", [...behind.slice(0, 4), null])])
    expect(entryOf(verdict, "lora-pro").againstLora!.claim).toBe("behind")
    // and a baseline that fails does not put others behind
    const other = verdictOf([...fresh("lora", [...plain.slice(0, 4), null]), ...fresh("lora-pro", behind)])
    expect(entryOf(other, "lora-pro").againstLora!.claim).toBe("nothing said")
    expect(entryOf(other, "lora-pro").againstLora!.words).toContain("1 of LoRA failed")
  })

  test("all of them leave a row without figures", () => {
    const verdict = verdictOf([...fresh("lora", plain), ...fresh("lora-pro", [null, null, null, null, null])])
    const entry = entryOf(verdict, "lora-pro")
    expect(entry).toMatchObject({ done: 0, failed: 5, test: null, seconds: null })
    expect(entry.againstLora!.words).toContain("no seed with which both this and LoRA ended well")
  })
})

test("runs that say that they learned nothing are counted, and one of them is heard", () => {
  const says = "after 10 of 30 steps the training loss has not fallen below its start"
  const runs = fresh("lora", plain).map((run, i) => ({ ...run, learnedNothing: i < 2 ? [says, "and more"] : [] }))
  const verdict = verdictOf([...runs, ...fresh("full", plain)])
  expect(entryOf(verdict, "lora").learnedNothing).toEqual({ runs: 2, says })
  expect(verdict.warnings).toEqual([`LoRA: 2 of 5 fresh runs at its best rate say that they learned nothing: ${says}`])
})

describe("a study that is not done", () => {
  test("says so", () => {
    expect(leadOf(verdictOf([swept(lora(1e-3, 0), 0.3)]))).toContain(
      "No fresh run has finished yet, so there is no verdict."
    )
    const verdict = verdictOf([...fresh("lora", plain), ...fresh("lora-pro", plain.slice(0, 2))])
    expect(entryOf(verdict, "lora-pro").missing).toBe(3)
    expect(verdict.warnings).toContain("LoRA-Pro: 3 of 5 fresh runs at its best rate have not finished yet")
  })

  test("without a test split compares on validation, and says so", () => {
    const results = [...fresh("lora", plain), ...fresh("full", plain)].map((result) => ({ ...result, test: null }))
    const verdict = verdictOf(results)
    expect(verdict.final!.split).toBe("validation")
    expect(entryOf(verdict, "lora").test!.mean).toBeCloseTo(0.8792, 10)
    expect(verdict.warnings.join()).toContain("the validation rows, which also chose their rates")
  })
})

test("what the intervals leave out is said with its size", () => {
  const verdict = verdictOf([...fresh("lora", [0.9, 0.9, 0.9]), ...fresh("full", [0.9, 0.9, 0.9])])
  // √(0.9·0.1/800) = 1.06 points
  expect(coverage(verdict.final!, verdict)).toContain("±1.1 points (standard error at 90.0 %)")
})

test("what doing nothing reaches stands under the table, where runs know it", () => {
  const nothing = { of: "always “pos”, the most frequent class", scores: { accuracy: 0.51, macroF1: 0.34 } }
  const runs = fresh("lora", [0.9, 0.9]).map((run) => ({ ...run, baseline: { validation: null, test: nothing } }))
  const withBaseline = verdictOf([...runs, ...fresh("full", [0.9, 0.9])])
  expect(withBaseline.final!.baseline).toEqual({ of: nothing.of, value: 0.51 })
  expect(coverage(withBaseline.final!, withBaseline)).toStartWith(
    "Baseline (always “pos”, the most frequent class): 51.0 %. Means"
  )
  const withoutBaseline = verdictOf(fresh("lora", [0.9, 0.9]))
  expect(withoutBaseline.final!.baseline).toBeNull()
  expect(coverage(withoutBaseline.final!, withoutBaseline)).toStartWith("Means")
})

test("an interval of accuracies ends where accuracies do, and two trials that are one run count once", () => {
  const own = fresh("lora", [0.9, 0.4])
  const shared = own.map((result) => ({ ...result, trial: { ...result.trial, stage: "common" as const } }))
  const verdict = verdictOf([...own, ...shared], exampleStudy({ commonRate: 1e-3 }))
  expect(entryOf(verdict, "lora").test!.interval).toEqual([0, 1])
  expect(verdict.common!.entries).toHaveLength(1)
  expect(leadOf(verdict)).toStartWith("2 runs of 3 methods.")
})

test("costs: mean seconds, largest peak, and the discrepancies of the runs", () => {
  const results = fresh("lora", plain).map((result, i) => ({
    ...result,
    seconds: 10 + i,
    peakBytes: 100e6 * (1 + (i % 3)),
    discrepancy: { method: 0.8 + 0.1 * i, best: 0.5 }
  }))
  const entry = entryOf(verdictOf(results), "lora")
  expect(entry).toMatchObject({ seconds: 12, peakBytes: 300e6, trainable: 332_546 })
  expect(entry.discrepancy!.method).toBeCloseTo(1, 12)
})

describe("what methods cost", () => {
  const nothing = { of: "always “pos”", scores: { accuracy: 0.5 } }
  /** Five runs of a method: 20 s each but one, which a busy machine made long. */
  const costly = (method: string, accuracy: number, stepSeconds: number, stateBytes: number) =>
    fresh(method, plain).map((run, i) => ({
      ...run,
      test: { rows: 800, loss: 0.3, accuracy, macroF1: accuracy },
      baseline: { validation: null, test: nothing },
      seconds: i === 0 ? 500 : 20,
      stepSeconds: i === 0 ? 9 : stepSeconds,
      stateBytes,
      began: 100 * i,
      ended: 100 * i + 60
    }))

  test("medians of time, and the gain over doing nothing per second and per megabyte of state", () => {
    const verdict = verdictOf([...costly("lora", 0.9, 0.2, 2e6), ...costly("lora-pro", 0.91, 0.5, 80e6)])
    expect(entryOf(verdict, "lora").cost).toEqual({
      stepSeconds: 0.2,
      runSeconds: 20,
      gain: expect.closeTo(0.4, 12),
      gainPerSecond: expect.closeTo(0.02, 12),
      gainPerMegabyte: expect.closeTo(0.2, 12)
    })
    const [table, pro] = [verdict.final!, entryOf(verdict, "lora-pro")]
    // 0.5 s of 0.2 s; 41 points in 20 s and for 80 MB
    expect(costCells(accuracy, pro, table)).toEqual(["500", "2.5", "20", "80", "+41.0", "2.05", "0.512"])
    expect(costHead(accuracy)).toHaveLength(7)
    expect(costWords(table, accuracy)).toContain("over the baseline (always “pos”)")
  })

  test("without anything that nothing reaches, over the model before training; a loss that falls is a gain", () => {
    const runs = fresh("lora", [0.9, 0.8]).map((run, i) => ({
      ...run,
      before: { rows: 50, loss: 2 + i, accuracy: 0.1 },
      after: { rows: 50, loss: 1, accuracy: 0.7 }
    }))
    const verdict = verdictOf(runs)
    expect(entryOf(verdict, "lora").cost).toMatchObject({ gain: expect.closeTo(0.6, 12), stepSeconds: null })
    expect(costWords(verdict.final!, accuracy)).toContain("over the model before training, on the same rows")
    const loss: Measure = { name: "loss", label: "loss", unit: "nats", better: "lower", others: [] }
    const byLoss = judge(exampleStudy(), runs, labelOf, loss)
    expect(byLoss.final!.entries[0]!.cost.gain).toBe(1.5)
    expect(costCells(loss, byLoss.final!.entries[0]!, byLoss.final!)[4]).toBe("+1.500")
  })

  test("no state and no time divide nothing, and runs of before have neither gain nor time of a step", () => {
    const free = costly("full", 0.9, 0, 0).map((run) => ({ ...run, seconds: null }))
    const { cost } = entryOf(verdictOf(free), "full")
    expect(cost).toMatchObject({ gainPerSecond: null, gainPerMegabyte: null })
    const before = verdictOf(fresh("lora", plain))
    expect(entryOf(before, "lora").cost).toMatchObject({ stepSeconds: null, gain: null, runSeconds: 12 })
    expect(before.final!.beside).toBeNull()
    expect(costWords(before.final!, accuracy)).toContain("It is not recorded whether trials ran in parallel")
  })

  test("trials that ran beside each other are said, one after the other are not", () => {
    const one = costly("lora", 0.9, 0.2, 2e6)
    const alone = verdictOf(one)
    expect(alone.final!.beside).toEqual({ runs: 5, beside: 0 })
    expect(costWords(alone.final!, accuracy)).toContain("No other trial of the study ran in parallel.")
    // of another stage, over the first of them alone; and a trial that shares a run is no other
    const sweep = { ...swept({ method: "lora", learningRate: 1, seed: 0 }, 1), began: 30, ended: 90 }
    const shared = one.map((run) => ({ ...run, trial: { ...run.trial, stage: "common" as const } }))
    const busy = verdictOf([...one, sweep, ...shared])
    expect(busy.final!.beside).toEqual({ runs: 5, beside: 1 })
    expect(costWords(busy.final!, accuracy)).toContain("1 of these 5 runs trained in parallel with another trial")
  })
})

test("tables are in the order of the study's methods; a method from outside keeps its name", () => {
  const study = exampleStudy({ methods: ["full", "mine", "lora"] })
  const verdict = verdictOf([...fresh("lora", plain), ...fresh("mine", plain), ...fresh("full", plain)], study)
  expect(verdict.final!.entries.map(({ name }) => name)).toEqual(["full fine-tuning", "mine", "LoRA"])
})
