/** `fit` and `fitDataset` warn once where the model learns nothing, as tfjs warns, and say what to change. */
import { afterEach, beforeEach, expect, type Mock, spyOn, test } from "bun:test"
import { fit, fitDataset } from "../../../src/layers-model/fit/index.ts"
import { adapt, loadAdapter } from "../../../src/layers-model/index.ts"
import { describeOn } from "../../backends.ts"
import { adaptedBy, datasetOf, rowsOf, twoLayers } from "./small-models.ts"

const { x, oneHot } = rowsOf(24)

let warn: Mock<typeof console.warn>
beforeEach(() => {
  warn = spyOn(console, "warn").mockImplementation(() => {})
})
afterEach(() => warn.mockRestore())

const classifier = () => {
  const model = twoLayers()
  model.compile({ optimizer: "sgd", loss: "categoricalCrossentropy" })
  return model
}

/** 30 steps of all rows, so that the loss has no noise. */
const at = (learningRate: number) =>
  ({ epochs: 30, batchSize: 24, plan: { optimizer: { kind: "adamw", learningRate } } }) as const

const warned = () => warn.mock.calls.map(([message]) => String(message))

describeOn("wasm", () => {
  test("a healthy rate says nothing; nor does a second fit of what has learned already, though its loss stays", async () => {
    const model = classifier()
    await adaptedBy(model, async (adapted) => {
      const { warnings } = await fit(adapted, x, oneHot, at(0.02))
      expect(warnings).toEqual([])
      await fit(adapted, x, oneHot, at(1e-9))
    })
    expect(warned()).toEqual([])
  })

  test("nor does a fit of an adapter that was loaded", async () => {
    const model = classifier()
    const first = await adapt(model, { rank: 2, alpha: 4 })
    await first.fit(x, oneHot, at(0.02))
    const loaded = await loadAdapter(model, await first.files())
    const { warnings } = await loaded.fit(x, oneHot, at(1e-9))
    expect(warnings).toEqual([])
    await Promise.all([first.dispose(), loaded.dispose()])
    expect(warned()).toEqual([])
  })

  test("a rate a million times too small: once, after a third of the steps", async () => {
    const model = classifier()
    await adaptedBy(model, async (adapted) => {
      let epochs = 0
      const onEpochEnd = () => {
        if (warned().length === 0) epochs++
      }
      const { warnings } = await fit(adapted, x, oneHot, { ...at(2e-8), callbacks: { onEpochEnd } })
      expect(epochs).toBe(9)
      expect(warnings).toMatchObject([{ about: "loss", step: 10 }])
    })
    expect(warned()).toHaveLength(1)
    expect(warned()[0]).toMatch(/^after 10 of 30 steps .* try plan\.optimizer\.learningRate 1,?0+(,0+)* times larger/)
  })

  test("a rate a thousand times too large, over a dataset that does not count its batches: at the end", async () => {
    const model = classifier()
    await adaptedBy(model, async (adapted) => {
      const counted = datasetOf(x, oneHot, 24)
      const dataset = { iterator: () => counted.iterator() }
      const { warnings } = await fitDataset(adapted, dataset, { epochs: 30, plan: at(50).plan })
      expect(warnings).toHaveLength(1)
    })
    expect(warned()).toHaveLength(1)
    expect(warned()[0]).toMatch(/rate is too high: try plan\.optimizer\.learningRate \d+ times smaller/)
  })
})
