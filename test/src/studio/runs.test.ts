/** Run folders as the studio shows them: files that grow, curves of many runs, and the list. */
import { afterAll, describe, expect, test } from "bun:test"
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { Sources } from "../../../src/hub/index.ts"
import { platform } from "../../../src/platform.ts"
import {
  curvesOf,
  growingFile,
  plotReader,
  runFolders,
  runReader,
  thinned,
  unattended
} from "../../../src/studio/runs/index.ts"

const folder = mkdtempSync(join(tmpdir(), "studio-runs-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const run = <A, E>(effect: Effect.Effect<A, E, Sources>) => Effect.runPromise(effect.pipe(Effect.provide(platform)))

describe("a file that grows", () => {
  const file = join(folder, "grows.txt")

  test("gives each line once, when its end is there", async () => {
    const growing = growingFile(file)
    expect(await run(growing.more)).toEqual({ lines: [], isReplaced: false })
    writeFileSync(file, "one\ntw")
    expect((await run(growing.more)).lines).toEqual(["one"])
    expect((await run(growing.more)).lines).toEqual([])
    appendFileSync(file, "o\n\nthree ü")
    expect((await run(growing.more)).lines).toEqual(["two", ""])
    appendFileSync(file, "\n")
    expect(await run(growing.more)).toEqual({ lines: ["three ü"], isReplaced: false })
  })

  test("begins again where it was replaced or cut, also by a longer one", async () => {
    const growing = growingFile(file)
    writeFileSync(file, "a\nb\nc\n")
    await run(growing.more)
    writeFileSync(`${file}.new`, "A\nB\nC\nD\n")
    renameSync(`${file}.new`, file)
    expect(await run(growing.more)).toEqual({ lines: ["A", "B", "C", "D"], isReplaced: true })
    writeFileSync(file, "x\n")
    expect(await run(growing.more)).toEqual({ lines: ["x"], isReplaced: true })
  })

  test("has lines longer than what is read at a time", async () => {
    const long = "y".repeat(9 * 2 ** 20)
    writeFileSync(file, `${long}\nshort\n`)
    expect((await run(growingFile(file).more)).lines.map(({ length }) => length)).toEqual([long.length, 5])
  })

  test("is read from its end where that is enough, without half a line", async () => {
    writeFileSync(file, `${"line\n".repeat(100)}last\n`)
    expect((await run(growingFile(file, 12).more)).lines).toEqual(["line", "last"])
  })
})

describe("curves", () => {
  test("are thinned to means of neighbours; what is not there stays so", () => {
    const x = Array.from({ length: 10 }, (_, i) => i + 1)
    const values = [1, 3, null, 5, null, null, 7, 9, 10, 20]
    const series = [{ label: "a", values, colour: 0, kind: "line" }] as const
    expect(thinned({ x, series }, 5)).toEqual({
      x: [2, 4, 6, 8, 10],
      series: [{ ...series[0], values: [2, 5, null, 8, 15] }]
    })
    expect(thinned({ x, series }, 10)).toEqual({ x, series })
  })

  test("of runs that have the plot, beside the names of all plots", () => {
    const plot = (id: string) => ({
      id,
      title: id.toUpperCase(),
      unit: "u",
      logarithmic: id === "b",
      x: [1],
      series: []
    })
    const runs = [
      { id: "one", plots: [plot("a")] },
      { id: "two", plots: [plot("a"), plot("b")] }
    ]
    const curves = curvesOf(runs, "b", 5)
    expect(curves.available.map(({ id }) => id)).toEqual(["a", "b"])
    expect([curves.title, curves.logarithmic, curves.runs.map(({ id }) => id)]).toEqual(["B", true, ["two"]])
    expect(curvesOf(runs, "nothing", 5).title).toBe("A")
    expect(curvesOf([], "a", 5)).toMatchObject({ available: [], runs: [] })
  })
})

describe("a list of runs", () => {
  const runs = join(folder, "runs")
  const id = `${runs}/reviews-1`
  const metrics = join(id, "metrics.jsonl")
  const plan = {
    model: { source: "../../model" },
    data: { format: "classification", train: "../../train.jsonl" },
    adapter: { method: "lora", rank: 8 },
    optimizer: { kind: "lora-pro", learningRate: 1e-3 },
    training: { steps: 40, batchSize: 8 }
  }
  const step = (n: number, loss: number) =>
    `${JSON.stringify({ kind: "step", step: n, loss, learningRate: 1e-3, gradNorm: 1, milliseconds: 500, health: {} })}\n`
  mkdirSync(id, { recursive: true })
  mkdirSync(join(runs, "no-run"))
  writeFileSync(join(id, "plan.json"), JSON.stringify(plan))

  test("has folders with a plan, what is trained in them, and their newest step and evaluation", async () => {
    expect(await run(runFolders(runs))).toEqual([id])
    const reader = runReader()
    expect(await run(reader.summary(id))).toMatchObject({
      state: "stopped",
      step: 0,
      steps: 40,
      loss: null,
      score: null
    })
    const evaluation = {
      kind: "evaluation",
      step: 2,
      split: "validation",
      rows: 9,
      loss: 0.5,
      accuracy: 0.75,
      macroF1: 0.7
    }
    writeFileSync(metrics, `${step(1, 0.9)}${step(2, 0.8)}${JSON.stringify(evaluation)}\n${step(3, 0.7)}{"kind":"st`)
    const life = { ...unattended, state: "training", startedAt: 5 } as const
    expect(await run(reader.summary(id, life))).toEqual({
      id,
      name: "reviews-1",
      state: "training",
      says: "LoRA with LoRA-Pro\u00a0· rank 8\u00a0· classification",
      step: 3,
      steps: 40,
      loss: 0.7,
      score: "validation accuracy 75.0 %",
      headline: { value: 0.75, better: "higher" },
      startedAt: 5,
      note: null,
      // 37 steps of half a second
      secondsLeft: 19,
      hyperparameters: {
        method: "LoRA",
        rank: 8,
        optimizer: "LoRA-Pro",
        "learning rate": 1e-3,
        "batch size": 8,
        model: "model",
        rows: "train.jsonl",
        seed: 0
      },
      comment: "",
      archived: false
    })
    writeFileSync(join(id, "studio.json"), JSON.stringify({ comment: "too short", archived: true }))
    expect(await run(reader.summary(id, life))).toMatchObject({ comment: "too short", archived: true })
    writeFileSync(join(id, "studio.json"), '{"comment": 7}')
    expect(await run(reader.summary(id, life))).toMatchObject({ comment: "", archived: false })
    rmSync(join(id, "studio.json"))
    const failed = { ...unattended, failed: "no space is left" }
    expect(await run(reader.summary(id, failed))).toMatchObject({ state: "failed", note: "no space is left" })
  })

  test("reads a file again when it is another, and new rows alone of a run that is under way", async () => {
    const reader = runReader()
    const { plots } = plotReader(reader)
    writeFileSync(metrics, step(1, 0.9))
    const loss = async () => {
      const all = await run(plots(id, true))
      return all.find((plot) => plot.id === "loss")!.series[0]!.values
    }
    expect(await loss()).toEqual([0.9])
    expect(await run(plots(id, true))).toBe(await run(plots(id, true)))
    appendFileSync(metrics, step(2, 0.8))
    expect(await loss()).toEqual([0.9, 0.8])
    // resumed: cut to its checkpoint, and written on
    writeFileSync(`${metrics}.new`, `${step(1, 0.9)}${step(2, 0.6)}${step(3, 0.5)}`)
    renameSync(`${metrics}.new`, metrics)
    expect(await loss()).toEqual([0.9, 0.6, 0.5])
  })

  test("survives files that say something else", async () => {
    const reader = runReader()
    writeFileSync(join(id, "plan.json"), "[1")
    writeFileSync(join(id, "run.json"), '{"steps":"many"}')
    writeFileSync(metrics, '{"kind":"step","step":1e999,"health":{}}\nnull\n{"kind":"evaluation","step":1}\n')
    expect(await run(reader.summary(id))).toMatchObject({ state: "stopped", says: "", step: 0, steps: 0, loss: null })
  })
})
