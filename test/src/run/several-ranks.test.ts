/** One run by several ranks: the folder, the report and every number are those of one rank. */
import { beforeAll, describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { RunReport } from "../../../src/output/index.ts"
import type { ProgressEvent } from "../../../src/run/index.ts"
import {
  causalData,
  causalPlan,
  decoder,
  preferencePlan,
  writePreferences,
  writeRows
} from "../../e2e/causal-workspace.ts"
import { jsonLines, TIMEOUT, tinyPlan } from "../../e2e/fixtures.ts"
import { imagesPlan, imagesWorkspace } from "../../e2e/images-workspace.ts"
import { resultsOf } from "../../e2e/runs.ts"
import { seq2seqPlan, t5, writeSourceTargets } from "../../e2e/seq2seq-workspace.ts"
import { relatedRows, scoredRows, topicRows } from "../../e2e/text-kinds.ts"
import { trainOnRanks } from "../../e2e/train-on-ranks.ts"

const { w } = imagesWorkspace()

beforeAll(() => {
  w.model("bert")
  w.model("minilm")
  decoder(w, "llama")
  t5(w)
  writeRows(w)
  writePreferences(w)
  writeSourceTargets(w)
  for (const [name, rows] of Object.entries({ scored: scoredRows, topics: topicRows, related: relatedRows })) {
    w.write(`${name}.jsonl`, jsonLines(rows(24)))
    w.write(`${name}-more.jsonl`, jsonLines(rows(11, 24)))
  }
})

/** What is said of a run apart from its number of processes. */
const alike = (folder: string) => {
  const { report, ...others } = resultsOf(w, folder)
  const { processes, ...rest } = report as Record<string, unknown>
  return { processes, results: { ...others, report: rest } }
}

const training = { steps: 4, batchSize: 4, accumulate: 2, evaluateBatchSize: 2, evaluateEvery: 2 }
const output = { checkpointEvery: 2, keepCheckpoints: 2 }
const encoder = (data: Record<string, unknown>) =>
  tinyPlan("bert", { data: { maxLength: 16, ...data }, training, output })

const plans = {
  classification: tinyPlan("bert", { training, output }),
  // at such a rate the toy soon gets worse
  "the best step": tinyPlan("minilm", {
    optimizer: { kind: "adamw", learningRate: 0.2 },
    training: { steps: 12, batchSize: 4, evaluateEvery: 2, stopEarly: { metric: "loss", patience: 2 } },
    output: { checkpointEvery: 2, keepCheckpoints: 1 }
  }),
  regression: encoder({
    format: "regression",
    train: "scored.jsonl",
    validation: "scored-more.jsonl",
    target: "stars"
  }),
  "multi-label": encoder({ format: "multi-label", train: "topics.jsonl", validation: "topics-more.jsonl" }),
  embedding: encoder({
    format: "embedding",
    train: "related.jsonl",
    validation: "related-more.jsonl",
    anchor: "query",
    positive: "document"
  }),
  causal: causalPlan("llama", "chat", { data: causalData("chat", { packing: true }), training, output }),
  preference: preferencePlan("llama", { training, output }),
  seq2seq: seq2seqPlan("t5", { training, output }),
  images: imagesPlan({}, { training, output })
}

const ends = (exits: ReadonlyArray<Exit.Exit<unknown, unknown>>) =>
  exits.map((exit) => {
    if (Exit.isSuccess(exit)) return exit.value
    const error = Cause.squash(exit.cause)
    return error instanceof Error ? `${(error as { _tag?: string })._tag}: ${error.message}` : "interrupted"
  })

const trained = async (plan: string, size: number, directory: string) => {
  const { exits, said } = await trainOnRanks(w, size, plan, { directory })
  return { reports: ends(exits), said }
}

describe("the run of several ranks is that of one:", () => {
  for (const [kind, plan] of Object.entries(plans))
    test(
      kind,
      async () => {
        w.write(`${kind}.json`, plan)
        await trained(`${kind}.json`, 1, `1/${kind}`)
        const one = alike(`1/${kind}`)
        expect(one.processes).toBeUndefined()
        for (const size of [3]) {
          const { reports, said } = await trained(`${kind}.json`, size, `${size}/${kind}`)
          // everyone's is what rank 0 wrote
          const written = w.json(`${size}/${kind}/run.json`)
          for (const report of reports) expect(JSON.parse(JSON.stringify(report))).toEqual(written)
          expect(said[0]!.length).toBeGreaterThan(4)
          expect(said.slice(1).flat()).toEqual([])
          const { processes, results } = alike(`${size}/${kind}`)
          expect(results).toEqual(one.results)
          expect(processes).toBe(size)
        }
      },
      TIMEOUT
    )
})

describe("another number of ranks", () => {
  const stopAt = (step: number) => (event: ProgressEvent, rank: number) =>
    rank === 0 && event.kind === "step" && event.step === step
  beforeAll(async () => {
    w.write("whole.json", plans["the best step"])
    await trained("whole.json", 1, "1/whole")
  }, TIMEOUT)

  for (const [before, after] of [
    [3, 1],
    [1, 3],
    [2, 4]
  ] as const)
    test(
      `goes on: ${before}, then ${after}`,
      async () => {
        const directory = `${before}-${after}/whole`
        const first = await trainOnRanks(w, before, "whole.json", { directory, until: stopAt(5) })
        expect(first.exits.map(Exit.isSuccess)).not.toContain(true)
        expect(first.said[0]!.at(-1)).toMatchObject({ message: expect.stringContaining("step 5 is saved") })
        const { exits } = await trainOnRanks(w, after, "", { resume: directory })
        expect(exits.map(Exit.isSuccess)).not.toContain(false)
        expect(alike(directory).results).toEqual(alike("1/whole").results)
        // and there is nothing left to do
        const written = w.json(`${directory}/run.json`)
        const { exits: again, said } = await trainOnRanks(w, 2, "", { resume: directory })
        for (const report of ends(again)) expect(JSON.parse(JSON.stringify(report))).toEqual(written)
        expect(said[0]![0]).toMatchObject({ message: expect.stringContaining("nothing is done again") })
      },
      TIMEOUT
    )
})

describe("where rank 0 cannot have its run folder, all end with its message:", () => {
  test("it is there already", async () => {
    w.write("taken/own.txt", "mine")
    w.write("plain.json", plans.classification)
    const { reports } = await trained("plain.json", 3, "taken")
    expect(reports[0]).toStartWith("RunFolderExists: the run folder")
    const message = (reports[0] as string).slice("RunFolderExists: ".length)
    expect(reports.slice(1)).toEqual(Array.from({ length: 2 }, () => `RankError: rank 0 of 3: ${message}`))
    expect(readdirSync(w.path("taken"))).toEqual(["own.txt"])
  })

  test("it was trained by another plan", async () => {
    await trained("plain.json", 1, "changed")
    const plan = w.json("changed/plan.json")
    w.write("changed/plan.json", { ...plan, seed: 5 })
    const { exits } = await trainOnRanks(w, 2, "", { resume: "changed" })
    const [own, other] = ends(exits)
    expect(own).toContain("seed: trained with 1, now 5")
    expect(other).toBe(`RankError: rank 0 of 2: ${(own as string).slice("PlanChanged: ".length)}`)
  })

  test("its best checkpoint is damaged: the last state is everyone's", async () => {
    const damage = (event: ProgressEvent, rank: number) => {
      if (rank === 0 && event.kind === "notice" && event.message.startsWith("stopped"))
        for (const name of readdirSync(w.path("damaged/checkpoints")))
          w.write(`damaged/checkpoints/${name}/state.json`, "{}")
      return false
    }
    const { exits, said } = await trainOnRanks(w, 2, "whole.json", { directory: "damaged", until: damage })
    const [own, other] = ends(exits) as unknown as ReadonlyArray<RunReport>
    expect(said[0]!.flatMap((event) => (event.kind === "notice" ? event.message : []))).toContainEqual(
      expect.stringContaining("the adapter is the last state")
    )
    expect(own!.kept).toBeNull()
    expect(other).toEqual(JSON.parse(JSON.stringify(own)))
  })
})
