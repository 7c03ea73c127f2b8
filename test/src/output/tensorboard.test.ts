/** Event files for TensorBoard: their bytes by an own reader, and what a process that goes on writes. */
import { describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { type EventRow, type EventsOptions, maskedCrc, openEvents } from "../../../src/output/tensorboard.ts"
import { platform } from "../../../src/platform.ts"
import { crc32c, keptScalars, readEvents } from "./event-file.ts"

const plan = { seed: 0, data: { train: "a\u001b[31m.jsonl" } }
const step = (at: number) => ({
  kind: "step",
  step: at,
  loss: at / 2,
  learningRate: null,
  gradNorm: 0.25,
  rows: 8,
  tokens: 99,
  tokensPerSecond: 1e6,
  milliseconds: Number.POSITIVE_INFINITY,
  health: { conditioning: { median: 3, worst: 1, worstSite: "query" } }
})
const evaluation = (at: number, rows: number) => ({
  kind: "evaluation",
  step: at,
  split: "validation",
  rows,
  loss: 0.5,
  accuracy: at / 10,
  confusion: [[1, 2]]
})

const folderWith = async (
  ...processes: ReadonlyArray<Partial<EventsOptions> & { readonly rows: ReadonlyArray<EventRow> }>
) => {
  const directory = mkdtempSync(join(tmpdir(), "events-"))
  for (const { rows, ...options } of processes) {
    const opened = openEvents({ directory, plan, step: 0, history: [], ...options })
    const written = Effect.flatMap(opened, (append) => Effect.forEach(rows, append))
    await Effect.runPromise(written.pipe(Effect.provide(platform)))
  }
  const files = readdirSync(directory)
    .sort()
    .map((name) => join(directory, name))
  return { directory, files, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) }
}

test("the checksum is CRC-32C, masked as TFRecord masks it", () => {
  const digits = new TextEncoder().encode("123456789")
  // the check value of the catalogue of CRCs
  expect(crc32c(digits)).toBe(0xe3069283)
  expect(maskedCrc(digits)).toBe(0xc78ab0e5)
})

test("times are those of effect's Clock", async () => {
  const directory = mkdtempSync(join(tmpdir(), "events-"))
  const written = Effect.gen(function* () {
    yield* TestClock.setTime(1_700_000_000_000)
    const append = yield* openEvents({ directory, plan, step: 0, history: [] })
    yield* TestClock.adjust("90 seconds")
    yield* append(step(1))
  })
  await Effect.runPromise(written.pipe(Effect.provide(platform), Effect.provide(TestClock.layer()), Effect.scoped))
  expect(readdirSync(directory)).toEqual(["events.out.tfevents.1700000000.tfjs-lora-pro"])
  const events = readEvents(join(directory, "events.out.tfevents.1700000000.tfjs-lora-pro"))
  expect([events[0]!.wallTime, events.at(-1)!.wallTime]).toEqual([1_700_000_000, 1_700_000_090])
  rmSync(directory, { recursive: true })
})

describe("a run", () => {
  test("is a file of a version, the plan as text, and a summary for each row", async () => {
    const before = Date.now() / 1000
    using folder = await folderWith({ rows: [step(1), evaluation(1, 10), { kind: "diagnostics", step: 1 }] })
    expect(folder.files).toHaveLength(1)
    expect(folder.files[0]).toMatch(/\/events\.out\.tfevents\.\d{10}\.tfjs-lora-pro$/)
    const [version, start, text, first, second, ...more] = readEvents(folder.files[0]!)
    expect(version).toMatchObject({ fileVersion: "brain.Event:2", step: 0 })
    expect(start).toMatchObject({ session: 1, step: 0 })
    expect(text!.texts["plan"]).toBe(JSON.stringify(plan, null, 2).replaceAll(/^/gm, "    "))
    // what is not finite is not drawn; float32
    expect(first).toMatchObject({ step: 1 })
    expect(first!.scalars).toEqual({
      "train/loss": 0.5,
      "train/gradNorm": 0.25,
      "train/tokensPerSecond": 1e6,
      "health/conditioning/median": 3,
      "health/conditioning/worst": 1
    })
    expect(second!.scalars).toEqual({ "validation/loss": 0.5, "validation/accuracy": Math.fround(0.1) })
    expect(more).toEqual([])
    expect(first!.wallTime).toBeGreaterThanOrEqual(before)
    expect(first!.wallTime).toBeLessThanOrEqual(Date.now() / 1000)
  })

  test("evaluated on other rows has a curve for them", async () => {
    using folder = await folderWith({ rows: [evaluation(0, 10), evaluation(5, 10), evaluation(5, 200)] })
    expect([...keptScalars(folder.files)].map(([tag, values]) => [tag, values.map(([at]) => at)])).toEqual([
      ["validation/loss", [0, 5]],
      ["validation/accuracy", [0, 5]],
      ["validation (200 rows)/loss", [5]],
      ["validation (200 rows)/accuracy", [5]]
    ])
  })

  test("of many steps has their numbers in whole", async () => {
    using folder = await folderWith({ rows: [step(3_000_000_000)] })
    expect(readEvents(folder.files[0]!).at(-1)!.step).toBe(3_000_000_000)
  })
})

describe("a process that goes on", () => {
  const stepsOf = (files: ReadonlyArray<string>) =>
    keptScalars(files)
      .get("train/loss")!
      .map(([at]) => at)

  test("begins a file that comes after, and no step is lost or there twice", async () => {
    using folder = await folderWith(
      { rows: [1, 2, 3, 4, 5].map(step) },
      // went on after step 3: what the first did after it is forgotten, and the row of step 3 is there again
      { step: 3, history: [step(1), step(2), step(3), evaluation(3, 10)], rows: [step(4)] },
      { step: 0, history: [], rows: [] },
      { step: 0, history: [], rows: [step(1), step(2)] }
    )
    expect(folder.files).toHaveLength(4)
    expect(stepsOf(folder.files.slice(0, 2))).toEqual([1, 2, 3, 4])
    expect(keptScalars(folder.files.slice(0, 2)).get("validation/loss")).toEqual([[3, 0.5]])
    expect(stepsOf(folder.files)).toEqual([1, 2])
  })

  test("where there was none before tells all that was reported", async () => {
    using folder = await folderWith({ step: 3, history: [step(1), step(2), step(3)], rows: [step(4)] })
    expect(stepsOf(folder.files)).toEqual([1, 2, 3, 4])
  })

  test("keeps the curves apart as they were", async () => {
    const history = [evaluation(0, 10), step(1)]
    using folder = await folderWith({ rows: history }, { step: 1, history, rows: [evaluation(2, 99)] })
    expect(keptScalars(folder.files).has("validation (99 rows)/loss")).toBe(true)
  })
})

test("a link in the place of the file is not written through", async () => {
  const directory = mkdtempSync(join(tmpdir(), "events-"))
  const write = Effect.gen(function* () {
    const append = yield* openEvents({ directory, plan, step: 0, history: [] })
    const [file] = readdirSync(directory)
    renameSync(join(directory, file!), join(directory, "elsewhere"))
    symlinkSync(join(directory, "elsewhere"), join(directory, file!))
    return yield* append(step(1))
  })
  const error = await Effect.runPromise(Effect.flip(write).pipe(Effect.provide(platform)))
  expect(error.message).toContain("it is a symbolic link")
  expect(readEvents(join(directory, "elsewhere"))).toHaveLength(3)
  rmSync(directory, { recursive: true })
})
