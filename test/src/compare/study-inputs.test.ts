/** A study goes on over the files that it was begun with, and so does each of its trials, on whatever machine. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { openStudyFolder, type Study, type Trial } from "../../../src/compare/index.ts"
import { runTrial } from "../../../src/compare/trial-run.ts"
import { planFromValue } from "../../../src/plan/index.ts"
import { platform } from "../../../src/platform.ts"
import { tinyPlan } from "../../e2e/fixtures.ts"

const directory = mkdtempSync(join(tmpdir(), "study-folder-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const files = (train: string, template: string | null) => [
  { name: "model/model.safetensors", sha256: "a".repeat(64), holdsWeights: true },
  { name: "model/chat_template.jinja", sha256: template, holdsWeights: false },
  { name: "data.train", sha256: train.repeat(64), holdsWeights: false }
]

const opened = (read: ReturnType<typeof files>, out: string) =>
  Effect.runPromise(
    Effect.gen(function* () {
      const plan = yield* planFromValue(tinyPlan("bert"), directory)
      const study = { name: "tiny", plan, methods: ["lora"], learningRates: { lora: [1e-3] }, ranks: [4], seeds: [1] }
      const asked = { freshSeeds: [2], commonRate: null, strategy: "grid", device: "wasm", storage: "sqlite" } as const
      return yield* openStudyFolder({ ...study, ...asked }, read, out)
    }).pipe(Effect.provide(platform))
  )

test("others are refused, each with a line; a study of before has none to compare", async () => {
  const out = join(directory, "study")
  const open = (read: ReturnType<typeof files>) => opened(read, out)
  const { study } = await open(files("b", null))
  expect(await open(files("b", null))).toMatchObject({ study: { id: study.id } })
  const refused = await open(files("c", "d".repeat(64))).catch((error: Error) => error.message)
  expect(`${refused}`.split("\n").slice(1)).toEqual([
    "  model/chat_template.jinja: trained with no such file, now SHA-256 dddddddddddd…",
    "  data.train: trained with SHA-256 bbbbbbbbbbbb…, now SHA-256 cccccccccccc…"
  ])
  const file = join(out, "study.json")
  const { inputs: _, ...before } = JSON.parse(readFileSync(file, "utf8"))
  writeFileSync(file, JSON.stringify(before))
  expect(await open(files("c", null))).toMatchObject({ study: { id: study.id } })
})

test("a trial that was trained over others is no result", async () => {
  const out = join(directory, "trials")
  const { study } = await opened(files("b", null), out)
  const trial: Trial = {
    id: "final-1",
    stage: "final",
    method: "lora",
    learningRate: 1e-3,
    rank: 4,
    seed: 2,
    share: 1
  }
  const heard = { step: () => Effect.void, waiting: () => Effect.void }
  /** The result of a program that ends as `train --json` does, having read these files. */
  const run = (inputs: Study["inputs"]) => {
    const numbers = { trainLoss: 1, seconds: 1, peakBytes: 1, trainable: { total: 1 }, steps: 1, device: {} }
    const report = JSON.stringify({ validation: null, test: null, ...numbers, ...(inputs ? { inputs } : {}) })
    const program = { runtime: process.execPath, args: ["-e", `console.log(${JSON.stringify(report)})`, "--"] }
    return Effect.runPromise(
      runTrial({ study, folder: out, program, threads: undefined, ranks: 1 }, trial, heard).pipe(
        Effect.provide(platform)
      )
    )
  }
  expect(await run(study.inputs)).toMatchObject({ status: "done" })
  expect(await run(undefined)).toMatchObject({ status: "done" })
  // a sweep does not read the test split
  expect(await run({ "data.train": "b".repeat(64) })).toMatchObject({ status: "done" })
  const refused = run({ ...study.inputs, "data.train": "c".repeat(64) })
  await expect(refused).rejects.toThrow("it was trained with different files than study.json lists: data.train")
})
