/**
 * A run whose init decides ranks, from plan to merged model: what is said before weights, what was decided, and everyone who needs a rank
 * afterwards finds that one. One run is shared.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { type Finished, onWasm, predicted, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"

const w = workspace()
const init = { kind: "eva", batches: 2, rho: 4 }
const plan = tinyPlan("bert", {
  adapter: { method: "lora", rank: 1, alpha: 8, init },
  training: { steps: 2, batchSize: 4 }
})
const texts = ["the film is good", "the plot was dull and the cast very weak"]

let judged: Finished
let trained: Finished
beforeAll(async () => {
  w.model("bert")
  w.write("plan.json", plan)
  judged = await succeed(w.cli(["validate", "plan.json"]))
  trained = await succeed(w.cli(["train", "plan.json", "--out", "run", ...onWasm]))
}, TIMEOUT)

const ranks = () => w.json("run/run.json")["ranks"] as Readonly<Record<string, number>>

test("validate says between which ranks a layer can come out, and the most numbers that can be trained", () => {
  expect(judged.stdout).toContain("encoder.layer.0.attention.self.query    32×32  1 (0 to 4)  8      64")
  // 12 ranks where they are the most numbers: 4 at three of the layers with 96 numbers a rank
  expect(judged.stdout).toContain("trainable  at most 1,251 of 23,587 (5.3 %): 1,152 in factors")
  expect(judged.stdout).toContain('ranks      12 in the plan; init "eva" redistributes them after 2 training batches')
})

test("train says what was decided; run.json, the report and PEFT's configuration have it", () => {
  const all = Object.entries(ranks())
  const left = all.filter(([, rank]) => rank === 0).map(([site]) => site)
  expect(all).toHaveLength(12)
  expect(left).toHaveLength(1)
  expect(all.reduce((sum, [, rank]) => sum + rank, 0)).toBe(12)
  expect(trained.stderr).toContain(
    'adapter.init "eva" gives 11 layers ranks from 1 to 2, 12 in total; 1 layer gets rank 0 and is not adapted'
  )
  const { factors } = w.json("run/run.json")["trainable"] as { factors: number }
  expect(factors).toBeLessThanOrEqual(1152)
  const config = w.json("run/adapter/adapter_config.json")
  expect(config["target_modules"]).toHaveLength(11)
  expect(config["target_modules"]).not.toContain(`bert.${left[0]}`)
  expect(Object.values(config["rank_pattern"] as object)).toEqual(
    all.map(([, rank]) => rank).filter((rank) => rank > 1)
  )
  expect(Object.values(config["alpha_pattern"] as object)).toEqual([16])
  expect(w.read("run/report.html")).toContain("Ranks chosen by the initialization")
  expect(w.read("run/adapter/README.md")).toContain("| ranks chosen by the initialization | 0 to 2 a layer")
})

test(
  "the run, its adapter over the base, a run that begins with it and the merged model answer alike",
  async () => {
    const own = await predicted(w, "run", texts)
    const { stdout } = await succeed(
      w.cli(["predict", join("run", "adapter"), "--base", "bert", ...texts, "--json", ...onWasm])
    )
    const alone = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).logits)
    expect(alone.map((logits) => Object.values(logits))).toEqual(own.map(({ logits }) => Object.values(logits)))
    const { stdout: merged } = await succeed(w.cli(["merge", "run", "--out", "merged", ...onWasm]))
    expect(merged).toContain("6 of 6 labels are the same")
    w.write("next.json", tinyPlan("bert", { adapter: { from: "run" }, training: { steps: 1, batchSize: 4 } }))
    const next = await succeed(w.cli(["train", "next.json", "--out", "next", ...onWasm]))
    expect(next.stderr).toContain("starts from the adapter of run: 11 layers")
    expect(w.json("next/run.json")["ranks"]).toBeUndefined()
  },
  TIMEOUT
)

describe("told, and nothing is done:", () => {
  test("a run.json of other ranks", async () => {
    const report = w.read("run/run.json")
    const [first] = Object.keys(ranks())
    w.write("run/run.json", report.replace(`"${first}": ${ranks()[first!]}`, `"${first}": 9`))
    const { code, stderr } = await w.cli(["predict", "run", "the film", ...onWasm])
    w.write("run/run.json", report)
    expect(code).not.toBe(0)
    expect(stderr).toContain(
      `run.json lists different layers: ranks.${first}: found 9; expected the chosen rank, from 0 to 4`
    )
  })

  const wrong = {
    "minRank 9 above maxRank 8": [
      { minRank: 9, maxRank: 8 },
      "found minRank 9 and maxRank 8; expected minRank at most maxRank"
    ],
    "a budget below minRank": [
      { minRank: 5 },
      'is a smaller budget than minRank 5 of init "gora" takes; expected at least 5'
    ],
    "a rank above maxRank": [{ maxRank: 3 }, 'is larger than maxRank 3 of init "gora"; expected at most 3'],
    "minRank beyond W": [
      { minRank: 33, rank: 33 },
      "rank 33 is larger than encoder.layer.0.attention.self.query allows"
    ],
    "no rank": [{ minRank: 0 }, "adapter.init.minRank: found 0; expected an integer from 1 to 1024"]
  } as const
  for (const [what, [own, says]] of Object.entries(wrong)) {
    test(what, async () => {
      const { rank = 4, ...bounds } = own as { readonly rank?: number }
      const adapter = { method: "lora", rank, init: { kind: "gora", ...bounds } }
      w.write("wrong.json", { ...plan, adapter })
      const { code, stderr } = await w.cli(["validate", "wrong.json"])
      expect(code).not.toBe(0)
      expect(stderr).toContain(says)
    })
  }
})
