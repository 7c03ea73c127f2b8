/** One run by several ranks: one folder, which rank 0 alone sees, and the numbers of one rank. All kinds: several-ranks.processes.ts. */
import { beforeAll, describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import * as Exit from "effect/Exit"
import type { RunReport } from "../../../src/output/index.ts"
import type { ProgressEvent } from "../../../src/run/index.ts"
import { jsonLines, TIMEOUT, tinyPlan, tinyRows, workspace } from "../../e2e/fixtures.ts"
import { alike, endsOf, expectSame, trainOnRanks } from "../../e2e/train-on-ranks.ts"

const w = workspace()

beforeAll(async () => {
  w.model("minilm")
  // enough for rows to tell that the best state is better than the last
  w.write("validation.jsonl", jsonLines(tinyRows(24, 24)))
  w.write("plain.json", tinyPlan("minilm"))
  // at such a rate the toy soon gets worse, and the best state is one that a checkpoint has
  w.write(
    "whole.json",
    tinyPlan("minilm", {
      optimizer: { kind: "adamw", learningRate: 0.2 },
      training: {
        steps: 12,
        batchSize: 4,
        evaluateEvery: 2,
        evaluateBatchSize: 2,
        stopEarly: { metric: "loss", patience: 2 }
      },
      output: { checkpointEvery: 2, keepCheckpoints: 1 }
    })
  )
  // moments that ranks share
  w.write(
    "shared.json",
    tinyPlan("minilm", {
      optimizer: { kind: "lora-pro", form: "full", learningRate: 1e-2 },
      training: { steps: 8, batchSize: 4, accumulate: 3, evaluateBatchSize: 2 },
      output: { checkpointEvery: 2, keepCheckpoints: 1 }
    })
  )
  for (const plan of plans) await trainOnRanks(w, 1, `${plan}.json`, { directory: `1/${plan}` })
}, TIMEOUT)

const plans = ["whole", "shared"] as const

for (const plan of plans)
  for (const size of [2, 3])
    test(`${plan}: ${size} ranks leave what one does`, () => expectSame(w, plan, size), TIMEOUT)

describe("another number of ranks goes on:", () => {
  const at = (step: number) => (event: ProgressEvent) => event.kind === "step" && event.step === step
  const saved = /^step 5 is saved; resume with/
  // who is asked says so with the next gradients: it may be in step 4 already when rank 0 has heard of step 3
  const agreed = /^step [45] is saved; resume with/
  const lost = /^step 5 is not saved \(other processes of the run hold parts of it\); step 4 is saved; resume with/

  for (const [plan, before, after, end, says] of [
    ["whole", 3, 1, { until: at(5) }, saved],
    ["whole", 1, 3, { until: at(5) }, saved],
    ["whole", 2, 4, { asked: at(3) }, agreed],
    ["shared", 2, 1, { asked: at(3) }, agreed],
    ["shared", 4, 3, { until: at(5) }, lost],
    ["shared", 1, 2, { until: at(5) }, saved]
  ] as const)
    test(
      `${plan}, ${before}, which ${"asked" in end ? "agree to stop" : "are interrupted"}, then ${after}`,
      async () => {
        const directory = `${before}-${after}/${plan}`
        const first = await trainOnRanks(w, before, `${plan}.json`, { directory, ...end })
        expect(first.exits.map(Exit.isSuccess)).not.toContain(true)
        expect(first.said[0]!.at(-1)).toMatchObject({ message: expect.stringMatching(says) })
        const { exits } = await trainOnRanks(w, after, "", { resume: directory })
        expect(exits.map(Exit.isSuccess)).not.toContain(false)
        expect(alike(w, directory).results).toEqual(alike(w, `1/${plan}`).results)
        // and there is nothing left to do
        const written = w.json(`${directory}/run.json`)
        const { exits: again, said } = await trainOnRanks(w, 2, "", { resume: directory })
        for (const report of endsOf(again)) expect(JSON.parse(JSON.stringify(report))).toEqual(written)
        expect(said[0]![0]).toMatchObject({ message: expect.stringContaining("is left unchanged") })
      },
      TIMEOUT
    )
})

describe("where rank 0 cannot have its run folder, all end with its message:", () => {
  test("it is there already", async () => {
    w.write("taken/own.txt", "mine")
    const { exits } = await trainOnRanks(w, 3, "plain.json", { directory: "taken" })
    const reports = endsOf(exits)
    expect(reports[0]).toStartWith("RunFolderExists: the run folder")
    const message = (reports[0] as string).slice("RunFolderExists: ".length)
    expect(reports.slice(1)).toEqual(Array.from({ length: 2 }, () => `RankError: rank 0 of 3: ${message}`))
    expect(readdirSync(w.path("taken"))).toEqual(["own.txt"])
  })

  test("it was trained by another plan", async () => {
    await trainOnRanks(w, 1, "plain.json", { directory: "changed" })
    const plan = w.json("changed/plan.json")
    w.write("changed/plan.json", { ...plan, seed: 5 })
    const { exits } = await trainOnRanks(w, 2, "", { resume: "changed" })
    const [own, other] = endsOf(exits)
    expect(own).toContain("seed: trained with 1, now 5")
    expect(other).toBe(`RankError: rank 0 of 2: ${(own as string).slice("PlanChanged: ".length)}`)
  })

  test("its best checkpoint is damaged: the last state is everyone's", async () => {
    const damage = (event: ProgressEvent) => {
      if (event.kind === "notice" && event.message.startsWith("stopped"))
        for (const name of readdirSync(w.path("damaged/checkpoints")))
          w.write(`damaged/checkpoints/${name}/state.json`, "{}")
      return false
    }
    const { exits, said } = await trainOnRanks(w, 2, "whole.json", { directory: "damaged", until: damage })
    const [own, other] = endsOf(exits) as unknown as ReadonlyArray<RunReport>
    expect(said[0]!.flatMap((event) => (event.kind === "notice" ? event.message : []))).toContainEqual(
      expect.stringContaining("saved the last checkpoint")
    )
    expect(own!.kept).toBeNull()
    expect(other).toEqual(JSON.parse(JSON.stringify(own)))
  })
})
