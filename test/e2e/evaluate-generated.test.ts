/** A trained run's answers against its rows: by split or of another file, with and without what was trained. */
import { beforeAll, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { Device } from "../../src/device/index.ts"
import { platform } from "../../src/platform.ts"
import { Progress, type ProgressEvent } from "../../src/run/index.ts"
import { type EvaluateGeneratedOptions, evaluateGenerated, loadCausalRun } from "../../src/trained/index.ts"
import { ranksInProcess } from "../ranks.ts"
import { causalData, causalPlan, decoder } from "./causal-workspace.ts"
import { jsonLines, onWasm, succeed, TIMEOUT, workspace } from "./fixtures.ts"
import { complete } from "./train-here.ts"

const w = workspace()

/** What the model is taught: a colour behind a thing. */
const taught = [
  ["grass", "green"],
  ["snow", "white"],
  ["coal", "black"],
  ["blood", "red"]
] as const
const rows = taught.map(([prompt, completion]) => ({ prompt, completion: ` ${completion}` }))
const wrong = [{ prompt: "grass", completion: " red" }, ...rows.slice(1, 3)]

beforeAll(async () => {
  decoder(w, "llama")
  w.write("train.jsonl", jsonLines(rows))
  w.write("wrong.jsonl", jsonLines(wrong))
  const data = { ...causalData("completion"), train: "train.jsonl", validation: "train.jsonl", test: "wrong.jsonl" }
  const optimizer = { kind: "lora-pro", learningRate: 5e-3 }
  const plan = causalPlan("llama", "completion", { data, optimizer, training: { steps: 40, batchSize: 4 } })
  await complete(w, w.write("colours.json", plan), "runs/colours")
}, TIMEOUT)

const evaluated = (options: EvaluateGeneratedOptions<never, never>) => {
  const heard: Array<ProgressEvent> = []
  return Effect.gen(function* () {
    const run = yield* loadCausalRun(w.path("runs/colours"))
    const reports = yield* evaluateGenerated(run, { maxNewTokens: 4, ...options })
    return { reports: reports.map(({ split, rows, score }) => ({ split, rows, score })), heard }
  }).pipe(
    Effect.scoped,
    Effect.provideService(Progress, (event) =>
      Effect.sync(() => void (event.kind === "evaluating" && heard.push(event)))
    ),
    Effect.provide(Device.layer("wasm", { threads: 1 })),
    Effect.provide(platform),
    Effect.runPromise
  )
}

test("every split that is no training split, with what was trained and without", async () => {
  const { reports, heard } = await evaluated({ batchSize: 3 })
  expect(reports).toEqual([
    { split: "validation", rows: 4, score: 1 },
    { split: "test", rows: 3, score: 2 / 3 }
  ])
  expect(heard).toEqual([
    { kind: "evaluating", split: "validation", rows: 0, of: 4 },
    { kind: "evaluating", split: "validation", rows: 3, of: 4 },
    { kind: "evaluating", split: "validation", rows: 4, of: 4 },
    { kind: "evaluating", split: "test", rows: 0, of: 3 },
    { kind: "evaluating", split: "test", rows: 3, of: 3 }
  ])
  const { reports: before } = await evaluated({ base: true })
  expect(before.map(({ score }) => score)).toEqual([0, 0])
})

test("another file, in the place of the splits", async () => {
  expect((await evaluated({ file: w.path("wrong.jsonl"), rows: 2 })).reports).toEqual([
    { split: "test", rows: 2, score: 1 / 2 }
  ])
})

test("the command says how many are right, and shows those that are not", async () => {
  const { stdout } = await succeed(
    w.cli(["evaluate", "runs/colours", "--generate", "--max-tokens", "4", "--data", "wrong.jsonl", ...onWasm])
  )
  expect(stdout).toContain("wrong.jsonl: 2 of 3 answers are right (66.7 %)")
  expect(stdout.match(/wrote/g)).toHaveLength(1)
  expect(stdout).toMatch(/wrote +green\n +expected +red/)
})

test("several ranks divide what is written, and all have the report of one", async () => {
  const answered = (size: number) =>
    ranksInProcess(size)
      .run(() =>
        Effect.gen(function* () {
          const run = yield* loadCausalRun(w.path("runs/colours"))
          return yield* evaluateGenerated(run, { maxNewTokens: 4, batchSize: 1 })
        }).pipe(Effect.scoped)
      )
      .pipe(Effect.provide(Device.layer("wasm", { threads: 1 })), Effect.provide(platform), Effect.runPromise)
  const [alone] = await answered(1)
  expect(alone!.map(({ answers }) => answers.length)).toEqual([4, 3])
  expect(await answered(3)).toEqual([alone!, alone!, alone!])
})
