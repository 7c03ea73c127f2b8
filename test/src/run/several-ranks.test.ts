/** One run by several ranks: one folder, which rank 0 alone sees, and the numbers of one rank. All kinds: several-ranks.processes.ts. */
import { beforeAll, describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import * as Exit from "effect/Exit"
import type { RunReport } from "../../../src/output/index.ts"
import type { ProgressEvent } from "../../../src/run/index.ts"
import { TIMEOUT, tinyPlan, workspace } from "../../e2e/fixtures.ts"
import { alike, endsOf, expectSame, trainOnRanks } from "../../e2e/train-on-ranks.ts"

const w = workspace()

beforeAll(async () => {
  w.model("minilm")
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
  await trainOnRanks(w, 1, "whole.json", { directory: "1/whole" })
}, TIMEOUT)

for (const size of [2, 3]) test(`${size} ranks leave what one does`, () => expectSame(w, "whole", size), TIMEOUT)

describe("another number of ranks", () => {
  const stopAt = (step: number) => (event: ProgressEvent, rank: number) =>
    rank === 0 && event.kind === "step" && event.step === step

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
        expect(alike(w, directory).results).toEqual(alike(w, "1/whole").results)
        // and there is nothing left to do
        const written = w.json(`${directory}/run.json`)
        const { exits: again, said } = await trainOnRanks(w, 2, "", { resume: directory })
        for (const report of endsOf(again)) expect(JSON.parse(JSON.stringify(report))).toEqual(written)
        expect(said[0]![0]).toMatchObject({ message: expect.stringContaining("nothing is done again") })
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
    const damage = (event: ProgressEvent, rank: number) => {
      if (rank === 0 && event.kind === "notice" && event.message.startsWith("stopped"))
        for (const name of readdirSync(w.path("damaged/checkpoints")))
          w.write(`damaged/checkpoints/${name}/state.json`, "{}")
      return false
    }
    const { exits, said } = await trainOnRanks(w, 2, "whole.json", { directory: "damaged", until: damage })
    const [own, other] = endsOf(exits) as unknown as ReadonlyArray<RunReport>
    expect(said[0]!.flatMap((event) => (event.kind === "notice" ? event.message : []))).toContainEqual(
      expect.stringContaining("the adapter is the last state")
    )
    expect(own!.kept).toBeNull()
    expect(other).toEqual(JSON.parse(JSON.stringify(own)))
  })
})
