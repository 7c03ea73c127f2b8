/** Plans for a tf.LayersModel: those of the digits for their images, and what other layers and labels ask for. */
import { describe, expect, test } from "bun:test"
import type { ResolvedArraysPlan } from "../../../../../src/kinds/layers/arrays/index.ts"
import { suggestArrays } from "../../../../../src/kinds/layers/arrays/index.ts"
import type { Choice } from "../../../../../src/suggest/choice.ts"
import { fitted } from "../../../../../src/suggest/memory-fit.ts"

interface Seen {
  readonly rows?: number
  readonly labels?: ReadonlyArray<string>
  /** [out, in] of a site */
  readonly sites?: Readonly<Record<string, readonly [number, number]>>
  readonly scale?: number
}

const digits = { conv: [16, 9], wider: [32, 144], hidden: [128, 1568], scores: [10, 128] } as const
const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i))

/** What the rules read of a resolved plan. */
const seen = ({ rows = 2000, labels = numbers(10), sites = digits, scale = 1 / 255 }: Seen) =>
  ({
    model: { sites: Object.entries(sites).map(([name, [out, inputs]]) => ({ name, out, in: inputs })), newHead: null },
    data: { labels, splits: { train: { rows }, validation: { rows: 600 }, test: { rows: 2400 } } },
    plan: { data: { scale } }
  }) as unknown as ResolvedArraysPlan

const valuesOf = (choices: ReadonlyArray<Choice>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(choices.map(({ path, value }) => [path, value]))
const chosen = (more: Seen = {}) => valuesOf(suggestArrays.choose(seen(more), 0).choices)

describe("rules", () => {
  test("the digits: their example's plan", () => {
    expect(chosen()).toEqual({
      "adapter.method": "lora",
      "adapter.rank": 4,
      "adapter.alpha": 8,
      "optimizer.kind": "lora-pro",
      "optimizer.form": "full",
      "optimizer.learningRate": "auto",
      "optimizer.schedule.kind": "linear",
      "optimizer.schedule.warmup": 0.1,
      "training.steps": 200,
      "training.batchSize": 32
    })
  })

  test("a layer with fewer outputs than the rank has a rank of its own, at the same scale", () => {
    const sites = { hidden: [64, 30], scores: [1, 64], pair: [2, 64] } as const
    expect(chosen({ sites })).toMatchObject({
      "adapter.rank": 4,
      "adapter.overrides": [
        { targets: ["scores"], rank: 1, alpha: 2 },
        { targets: ["pair"], rank: 2, alpha: 4 }
      ]
    })
    expect(chosen({ sites: { hidden: [64, 2], scores: [1, 64] } })).toMatchObject({
      "adapter.rank": 2,
      "adapter.alpha": 4,
      "adapter.overrides": [{ targets: ["scores"], rank: 1, alpha: 2 }]
    })
  })

  test("few rows: ten passes at most, in smaller steps; many: one pass", () => {
    const length = (rows: number) => {
      const { "training.steps": steps, "training.batchSize": batch } = chosen({ rows })
      return [steps, batch]
    }
    expect(length(300)).toEqual([94, 32])
    expect(length(100)).toEqual([63, 16])
    expect(length(16)).toEqual([40, 4])
    expect(length(12_000)).toEqual([375, 32])
  })

  test("labels that number the outputs stand in their order, which sorting leaves at ten", () => {
    const sorted = (count: number) => numbers(count).sort()
    expect(chosen({ labels: sorted(10) })["data.labels"]).toBeUndefined()
    expect(chosen({ labels: sorted(12) })["data.labels"]).toEqual(numbers(12))
    expect(chosen({ labels: ["02", "01", "00"] })["data.labels"]).toBeUndefined()
  })

  test("what only the user knows is said: the order of named classes, and the scale", () => {
    const cautions = (more: Seen) => suggestArrays.choose(seen(more), 0).cautions.join("\n")
    expect(cautions({ labels: ["dark", "light"] })).toContain("in this order: 0: dark, 1: light;")
    expect(cautions({})).not.toContain("in this order")
    expect(cautions({})).toContain("data.scale must match the scale that the model was trained with")
    expect(cautions({ scale: 1 })).not.toContain("data.scale")
    expect(cautions({ rows: 50 })).toContain("50 training rows are about 5 for each of 10 classes")
  })
})

test("memory: rows of a forward pass, then plain LoRA; nothing that a LayersModel has not", () => {
  const choices = suggestArrays.choose(seen({}), 0).choices
  const found = fitted(choices, suggestArrays.turns(choices), () => false)
  const values = valuesOf(found.choices)
  expect(found.fits).toBe(false)
  expect(values).toMatchObject({
    "training.batchSize": 1,
    "training.accumulate": 32,
    "training.evaluateBatchSize": 1,
    "optimizer.kind": "adamw",
    "optimizer.learningRate": "auto"
  })
  for (const path of ["optimizer.form", "training.recompute", "model.weights", "data.maxLength"]) {
    expect(values[path]).toBeUndefined()
  }
})
