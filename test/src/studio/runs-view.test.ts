/** How several runs are found, sorted and grouped, how their plans differ, and how their curves come onto one axis. */
import { describe, expect, test } from "bun:test"
import { chosen, grouped, matching, sorted } from "../../../src/studio/page/views/runs/order.ts"
import { overlaid } from "../../../src/studio/page/views/runs/overlay.ts"
import type { Curves, RunSummary, Series } from "../../../src/studio/protocol/index.ts"
import { fieldDifferences, planDifferences } from "../../../src/studio/runs/differences.ts"

const run = (name: string, parts: Partial<RunSummary> = {}): RunSummary => ({
  id: `runs/${name}`,
  name,
  state: "finished",
  says: "",
  step: 10,
  steps: 10,
  loss: null,
  score: null,
  headline: null,
  startedAt: 0,
  note: null,
  secondsLeft: null,
  hyperparameters: {},
  comment: "",
  archived: false,
  ...parts
})

const names = (runs: ReadonlyArray<RunSummary>) => runs.map(({ name }) => name)

describe("runs are sorted", () => {
  test("by the numbers in their names", () => {
    const runs = [run("a-10"), run("a-9"), run("b-1")]
    expect(names(sorted(runs, { by: "name", isDown: false }))).toEqual(["a-9", "a-10", "b-1"])
    expect(names(sorted(runs, { by: "name", isDown: true }))).toEqual(["b-1", "a-10", "a-9"])
  })

  test("by score, the better first, whichever way is better; those without one are last both ways", () => {
    const runs = [
      run("none"),
      run("low", { headline: { value: 0.5, better: "higher" } }),
      run("high", { headline: { value: 0.9, better: "higher" } })
    ]
    expect(names(sorted(runs, { by: "score", isDown: true }))).toEqual(["high", "low", "none"])
    expect(names(sorted(runs, { by: "score", isDown: false }))).toEqual(["low", "high", "none"])
    const errors = runs.map((one) => ({
      ...one,
      headline: one.headline === null ? null : { ...one.headline, better: "lower" as const }
    }))
    expect(names(sorted(errors, { by: "score", isDown: true }))).toEqual(["low", "high", "none"])
  })

  test("the other way where a column is chosen again", () => {
    const first = chosen({ by: "started", isDown: true }, "name")
    expect(first).toEqual({ by: "name", isDown: false })
    expect(chosen(first, "name")).toEqual({ by: "name", isDown: true })
    // numbers that people look for begin with the largest
    for (const by of ["progress", "score", "started"]) expect(chosen(first, by)).toEqual({ by, isDown: true })
    for (const by of ["state", "loss", "says", "rank"]) expect(chosen(first, by)).toEqual({ by, isDown: false })
  })
})

describe("runs are found", () => {
  const runs = [
    run("a", { hyperparameters: { method: "LoRA", rank: 8 }, comment: "Too short" }),
    run("b", { hyperparameters: { method: "DoRA", rank: 16 }, state: "failed" }),
    run("c", { hyperparameters: { method: "LoRA", rank: 4 }, archived: true })
  ]

  test("by every word of a search, in names, hyperparameters and notes; archived ones when asked for alone", () => {
    expect(names(matching(runs, "", "All"))).toEqual(["a", "b"])
    expect(names(matching(runs, "lora short", "All"))).toEqual(["a"])
    expect(names(matching(runs, "lora", "Archived"))).toEqual(["c"])
    expect(names(matching(runs, "", "Stopped or failed"))).toEqual(["b"])
    expect(names(matching(runs, "", "Finished"))).toEqual(["a"])
  })

  test("in groups with the same hyperparameter, and sorted by one as a number", () => {
    expect(grouped(runs, "method").map(([name, some]) => [name, names(some)])).toEqual([
      ["LoRA", ["a", "c"]],
      ["DoRA", ["b"]]
    ])
    expect(grouped(runs, "")).toEqual([["", runs]])
    expect(names(sorted(runs, { by: "rank", isDown: false }))).toEqual(["c", "a", "b"])
  })
})

test("plans differ in the fields whose values are not all the same; where runs are is no difference", () => {
  const plan = (rank: number, directory: string, extra: object = {}) => ({
    adapter: { method: "lora", rank, targets: ["q", "v"] },
    output: { directory },
    ...extra
  })
  expect(planDifferences(["a", "b", "c"], [plan(8, "x"), plan(16, "y", { seed: 1 }), null])).toEqual({
    columns: ["Field", "a", "b", "c"],
    rows: [
      ["adapter.method", "lora", "lora", "–"],
      ["adapter.rank", "8", "16", "–"],
      ["adapter.targets", '["q","v"]', '["q","v"]', "–"],
      ["seed", "–", "1", "–"]
    ]
  })
  const same = [plan(8, "x"), plan(8, "y")]
  expect(planDifferences(["a", "b"], same).rows).toEqual([])
  expect(fieldDifferences(["a", "b"], same).rows).toEqual([["output.directory", "x", "y"]])
})

const series = (kind: Series["kind"], label: string, values: Series["values"]): Series => ({
  kind,
  label,
  values,
  colour: 0
})

const curves = (...runs: Curves["runs"]): Curves => ({
  available: [],
  title: "Loss",
  unit: "nats",
  logarithmic: false,
  runs
})

describe("curves over each other", () => {
  const name = (id: string) => id.toUpperCase()

  test("share an axis: each has its own values at its own steps, and none where it has none", () => {
    const { plot } = overlaid(
      curves(
        { id: "a", x: [1, 3], series: [series("line", "training", [4, 2])] },
        { id: "b", x: [2, 3, 5], series: [series("line", "training", [9, null, 7])] }
      ),
      name,
      100
    )
    expect(plot.x).toEqual([1, 2, 3, 5])
    expect(plot.series.map(({ label, values }) => [label, values])).toEqual([
      ["A", [4, null, 2, null]],
      ["B", [null, 9, null, 7]]
    ])
    expect(new Set(plot.series.map(({ colour }) => colour)).size).toBe(2)
  })

  test("few runs show their other curves too, but not the noise; of more runs each has the one that stands for it", () => {
    const own = (id: string) => ({
      id,
      x: [1, 2],
      series: [
        series("faint", "training", [3, 2]),
        series("line", "mean", [3, 2.5]),
        series("points", "validation", [null, 2])
      ]
    })
    const labels = (count: number) =>
      overlaid(curves(...Array.from({ length: count }, (_, i) => own(`r${i}`))), name, 100).plot.series.map(
        ({ label }) => label
      )
    expect(labels(2)).toEqual(["R0, mean", "R0, validation", "R1, mean", "R1, validation"])
    expect(labels(5)).toEqual(["R0", "R1", "R2", "R3", "R4"])
  })

  test("where there is no line, the curve with the most values stands for a run", () => {
    const points = {
      id: "a",
      x: [1, 2, 3],
      series: [series("points", "test", [null, null, 5]), series("points", "validation", [1, 2, 3])]
    }
    const others = ["b", "c", "d", "e"].map((id) => ({ ...points, id }))
    expect(overlaid(curves(points, ...others), name, 10).plot.series[0]!.values).toEqual([1, 2, 3])
  })

  test("more steps than places are put together, by their mean, to the last step", () => {
    const x = Array.from({ length: 1000 }, (_, i) => i + 1)
    const { plot } = overlaid(curves({ id: "a", x, series: [series("line", "l", x)] }), name, 10)
    expect(plot.x).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1000])
    expect(plot.series[0]!.values).toEqual([50.5, 150.5, 250.5, 350.5, 450.5, 550.5, 650.5, 750.5, 850.5, 950.5])
  })

  test("no two of sixteen runs look the same", () => {
    const runs = Array.from({ length: 16 }, (_, i) => ({ id: `r${i}`, x: [1], series: [series("line", "l", [i])] }))
    const { plot, dashes } = overlaid(curves(...runs), name, 10)
    expect(new Set(plot.series.map(({ colour }, i) => `${colour} ${dashes[i]}`)).size).toBe(16)
  })
})
