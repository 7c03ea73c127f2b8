/** What the studio says of studies: trials by the names of their folders, and a verdict in words. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { trialNamed, verdictTexts } from "../../../src/compare/index.ts"
import { finalTrials, sweepTrials } from "../../../src/compare/trials.ts"
import { listedMethods } from "../../../src/studio/server/compared-methods.ts"
import { exampleStudy, fresh, swept } from "../compare/study-example.ts"

test("each method that is offered has a line of its own, a sentence", () => {
  const lines = listedMethods().map(({ says }) => says)
  for (const line of lines) expect(line).toMatch(/^[A-Z].{20,}\.$/)
  expect(new Set(lines).size).toBe(lines.length)
})

describe("a trial", () => {
  test("is known by its name: methods with hyphens, rates of all sizes, short rounds, methods without a rank", () => {
    const study = exampleStudy({
      methods: ["lora", "lora-pro-sgd", "full"],
      learningRates: { lora: [1e-7, 2], "lora-pro-sgd": [2.5e-5, 1e-3], full: [1e-5, 1e-4, 3e-3] },
      ranks: [4, 16]
    })
    const rates = ({ method }: { readonly method: string }) => study.learningRates[method]!
    const trials = [
      ...sweepTrials(study, 1, rates),
      ...sweepTrials(study, 0.25, rates),
      ...finalTrials(study, [{ method: "lora", rank: 4, learningRate: 1e-7 }])
    ]
    expect(trials.length).toBeGreaterThan(20)
    for (const trial of trials) expect(trialNamed(trial.id)).toEqual(trial)
  })

  test("is none where the name is another's", () => {
    for (const name of ["", "runs-1", "sweep-lora", "final-lora-r4-lrfast-s1", "sweep-lora-r4-lr0.001-s1.tmp"])
      expect(trialNamed(name)).toBeUndefined()
  })
})

describe("a verdict in words", () => {
  const study = exampleStudy()
  const plain = [0.88, 0.87, 0.885, 0.879, 0.882]
  const results = [
    ...[5e-4, 1e-3].map((learningRate, i) => swept({ method: "lora", learningRate, seed: 0 }, 0.3 - 0.02 * i)),
    ...fresh("lora", plain),
    ...fresh(
      "full",
      plain.map((accuracy, i) => accuracy + 0.02 + 0.001 * i)
    )
  ]

  test("says what compare.md says, without its marks", async () => {
    const { sentences, columns, rows } = await Effect.runPromise(verdictTexts(study, results))
    expect(sentences[0]).toContain("Ahead of LoRA: full fine-tuning")
    expect(sentences[1]).toContain("Means over 5 fresh seeds")
    expect(rows).toHaveLength(2)
    for (const row of rows) expect(row).toHaveLength(columns.length)
    expect(JSON.stringify([sentences, columns, rows])).not.toContain("*")
    const mean = plain.reduce((sum, accuracy) => sum + accuracy / plain.length, 0)
    expect(rows.find(([name]) => name === "LoRA")!.join(" ")).toContain((100 * mean).toFixed(1))
  })

  test("says that there is none where no fresh run is there yet", async () => {
    const { sentences, rows } = await Effect.runPromise(verdictTexts(study, results.slice(0, 2)))
    expect(sentences[0]).toContain("there is no verdict")
    expect(rows).toEqual([])
  })
})
