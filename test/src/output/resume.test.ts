/** What may differ between a run and its continuation, and what of its metrics stays. */
import { describe, expect, test } from "bun:test"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type * as Effect from "effect/Effect"
import { type Inputs, inputDifferences } from "../../../src/output/inputs.ts"
import { cutMetrics, PlanChanged, planDifferences } from "../../../src/output/resume.ts"
import { versions, versionsNote } from "../../../src/output/versions.ts"
import { temporaryFolders, withFiles } from "./toy-session.ts"

const plan = {
  seed: 1,
  data: { train: "../a.jsonl", labels: ["bad", "good"] },
  adapter: { method: "lora", rank: 4, overrides: [{ targets: ["query"], rank: 2 }] },
  training: { steps: 8, batchSize: 4, evaluateEvery: 2, threads: "auto" },
  output: { checkpointEvery: 2, keep: 1 }
}

describe("a plan", () => {
  test("that is the same, in any order of its keys, has no differences", () => {
    const { seed, ...rest } = plan
    expect(planDifferences(plan, { ...rest, seed })).toEqual([])
  })

  test("may be longer, look and save at other times, and use other threads and memory", () => {
    const longer = {
      ...plan,
      training: {
        epochs: 9,
        batchSize: 4,
        evaluateEvery: 3,
        evaluateRows: 7,
        evaluateBatchSize: 2,
        recompute: "blocks",
        threads: 2
      },
      output: { checkpointEvery: 5, keep: 3 }
    }
    expect(planDifferences(plan, longer)).toEqual([])
  })

  test("is told field by field where it differs: changed, added, gone, in lists", () => {
    const changed = {
      ...plan,
      seed: 2,
      data: { train: "../a.jsonl", labels: ["good", "bad"], test: "t.jsonl" },
      adapter: { method: "lora", overrides: [{ targets: ["query"], rank: 3 }] },
      training: { ...plan.training, batchSize: 8 }
    }
    expect(planDifferences(plan, changed)).toEqual([
      "seed: trained with 1, now 2",
      'data.labels: trained with ["bad","good"], now ["good","bad"]',
      'data.test: trained with nothing, now "t.jsonl"',
      "adapter.rank: trained with 4, now nothing",
      'adapter.overrides: trained with [{"targets":["query"],"rank":2}], now [{"targets":["query"],"rank":3}]',
      "training.batchSize: trained with 4, now 8"
    ])
  })

  test("whose section is another kind altogether is one difference", () => {
    expect(planDifferences(plan, { ...plan, data: "x" })).toHaveLength(1)
  })
})

describe("versions", () => {
  test("that are the same, of another runtime, or not recorded, are not mentioned", () => {
    const { kernels: _, ...before } = versions()
    for (const trained of [versions(), before, { ...before, deno: "2.0.0" }, {}, undefined]) {
      expect(versionsNote("runs/a", trained)).toEqual([])
    }
  })

  test("that differ, those of the kernels too, are one note", () => {
    const now = versions()
    expect(now["kernels"]).toMatch(/^[0-9a-f]{12}$/)
    expect(versionsNote("runs/a", { ...now, kernels: "0123456789ab", tfjs: "4.0.0" })).toEqual([
      `note: runs/a was trained with kernels 0123456789ab, now ${now["kernels"]}; tfjs 4.0.0, now ${now["tfjs"]}: numbers may differ in their last digits`
    ])
  })
})

const every = () => true
/** The files of a record as they are now. */
const filesOf = (inputs: Inputs) =>
  Object.entries(inputs).map(([name, sha256]) => ({ name, sha256, holdsWeights: name.endsWith(".safetensors") }))

test("inputs differ by content: changed, gone and new files", () => {
  const trained = { "model/config.json": "a".repeat(64), "data.train": "b".repeat(64), "data.test": "c".repeat(64) }
  expect(inputDifferences(trained, filesOf(trained), every)).toEqual([])
  const { "data.test": _, ...now } = { ...trained, "data.train": "d".repeat(64) }
  expect(inputDifferences(trained, filesOf(now), every)).toEqual([
    "data.train: trained with SHA-256 bbbbbbbbbbbb…, now SHA-256 dddddddddddd…",
    "data.test: trained with SHA-256 cccccccccccc…, now no such file"
  ])
  expect(inputDifferences(trained, filesOf(now), (name) => name !== "data.train")).toHaveLength(1)
})

test("a file that was looked for and not there is recorded; one that was not recorded is not compared, unless it holds weights", () => {
  const now = { "model/chat_template.jinja": "a".repeat(64), "model/model.safetensors": "b".repeat(64) }
  expect(inputDifferences({ "model/chat_template.jinja": null }, filesOf(now), every)).toEqual([
    "model/chat_template.jinja: trained with no such file, now SHA-256 aaaaaaaaaaaa…",
    "model/model.safetensors: trained with no such file, now SHA-256 bbbbbbbbbbbb…"
  ])
  expect(inputDifferences({ "model/model.safetensors": "b".repeat(64) }, filesOf(now), every)).toEqual([])
})

test("the refusal lists every difference on a line of its own", () => {
  const { message } = new PlanChanged({ directory: "runs/a", differences: ["seed: …", "x: …"] })
  expect(message.split("\n")).toEqual([
    expect.stringMatching(/^runs\/a cannot be resumed: .*restore them or start a new run:$/),
    "  seed: …",
    "  x: …"
  ])
})

describe("metrics.jsonl", () => {
  const folder = temporaryFolders()
  const step = (n: number) => ({ kind: "step", step: n, loss: 1 / n })
  const evaluation = (n: number, split = "validation") => ({ kind: "evaluation", step: n, split, loss: 2 / (n + 1) })
  const lines = (rows: ReadonlyArray<unknown>) => rows.map((row) => `${JSON.stringify(row)}\n`).join("")

  /** What a file is cut to, and that it says so itself. */
  const cut = async (text: string | undefined, at: number, steps: number) => {
    const file = join(folder(), "metrics.jsonl")
    if (text !== undefined) writeFileSync(file, text)
    const rows = await withFiles(cutMetrics(file, at, steps) as Effect.Effect<ReadonlyArray<unknown>>)
    expect(readFileSync(file, "utf8")).toBe(lines(rows))
    return rows
  }

  test("ends where the checkpoint stands, evaluations of that step included", async () => {
    const kept = [evaluation(0, "test"), step(1), step(2), evaluation(2)]
    expect(await cut(lines([...kept, step(3), step(4), evaluation(4)]), 2, 8)).toEqual(kept)
  })

  test("loses the evaluations at the end of the run, which are made again", async () => {
    const kept = [evaluation(0, "test"), step(1), step(2)]
    expect(await cut(lines([...kept, evaluation(2), evaluation(2, "test")]), 2, 2)).toEqual(kept)
  })

  test("keeps the end of a run that is now longer", async () => {
    const all = [step(1), step(2), evaluation(2), evaluation(2, "test")]
    expect(await cut(lines(all), 2, 4)).toEqual(all)
  })

  test("loses a last line that was cut off, and lines that are no rows", async () => {
    const kept = [step(1), step(2)]
    expect(await cut(`${lines([step(1)])}\n[1]\n"x"\nnull\n${lines([step(2)])}{"kind":"step","st`, 9, 20)).toEqual(kept)
  })

  test("a whole last line without its newline is a row, and gets one", async () => {
    expect(await cut(lines([step(1), step(2)]).trimEnd(), 2, 8)).toEqual([step(1), step(2)])
  })

  test("that is missing is made, empty", async () => {
    expect(await cut(undefined, 3, 8)).toEqual([])
    expect(await cut("", 3, 8)).toEqual([])
    expect(existsSync(join(folder(), "metrics.jsonl"))).toBe(false)
  })

  test("of a run without a whole checkpoint begins anew", async () => {
    expect(await cut(lines([evaluation(0), step(1)]), -1, 8)).toEqual([])
  })
})
