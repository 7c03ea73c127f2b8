/**
 * Real LayersModels with an adapter merged into them: what they answer, what they keep of the original, and that they
 * are their own.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { type AdaptOptionsInput, adapt, loadAdapter } from "../../../src/layers-model/index.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, relativeError } from "../../setup.ts"
import { convnet, mobile, moved, numbers, reader, sequential, siamese, uniform, weightsOf } from "./networks.ts"

/** Two float32 forward passes of the same function in another order of sums. A forgotten scale is 0.1. */
const MERGED = 1e-5

const methods: ReadonlyArray<readonly [name: string, options: AdaptOptionsInput]> = [
  ["lora", { rank: 2 }],
  ["lora, rank-stabilized, pissa", { rank: 2, scaling: "rank-stabilized", init: { kind: "pissa" } }],
  ["lora, head and modules to save", { rank: 2, targets: ["first"], head: ["logits"], modulesToSave: ["second"] }],
  ["dora", { method: "dora", rank: 2 }],
  ["adalora", { method: "adalora", rank: 2 }],
  ["full", { method: "full" }],
  ["none", { method: "none", head: ["logits"] }]
]

/** Saved by `save`, loaded by tfjs. */
const roundTrip = async (model: tf.LayersModel): Promise<tf.LayersModel> => {
  let artifacts: tf.io.ModelArtifacts | undefined
  await model.save(
    tf.io.withSaveHandler(async (saved) => {
      artifacts = saved
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" } }
    })
  )
  return tf.loadLayersModel(tf.io.fromMemory(artifacts!))
}

describeOnBoth(() => {
  for (const [name, options] of methods) {
    test(`${name}: the merged model computes what the adapted one does, and so it does saved and loaded`, async () => {
      const model = convnet()
      const x = uniform([5, 8, 8, 3], 3)
      const adapted = await adapt(model, options)
      moved(adapted)
      const expected = await numbers(adapted.predict(x))
      expect(relativeError(await numbers(model.predict(x) as tf.Tensor), expected)).toBeGreaterThan(1e-3)
      const merged = await adapted.model()
      const found = await numbers(merged.predict(x) as tf.Tensor)
      expectClose(found, expected, MERGED)
      const loaded = await roundTrip(merged)
      expect(await numbers(loaded.predict(x) as tf.Tensor)).toEqual(found)
      await adapted.dispose()
      expect(await numbers(merged.predict(x) as tf.Tensor)).toEqual(found) // it is its own
    })
  }

  test("off: a copy of the base, to the bit", async () => {
    const model = convnet()
    const adapted = await adapt(model, { rank: 2 })
    moved(adapted)
    adapted.off()
    const copy = await adapted.model()
    expect(await weightsOf(copy)).toEqual(await weightsOf(model))
  })

  test("models in models, shared layers, several inputs and outputs", async () => {
    const model = siamese()
    const inputs = [uniform([5, 6], 1), uniform([5, 6], 2)]
    const adapted = await adapt(model, { rank: 2, exclude: ["same"] })
    moved(adapted)
    const merged = await adapted.model()
    expectClose(
      await numbers(merged.predict(inputs) as Array<tf.Tensor>),
      await numbers(adapted.predict(inputs)),
      MERGED
    )
    expect(merged.layers.map(({ name }) => name)).toEqual(model.layers.map(({ name }) => name))
  })

  test("recurrences, wrappers, embeddings, depthwise and separable convolutions", async () => {
    const words = tf.tensor2d([0, 8, 3, 3, 1, 7, 7, 2, 5, 4], [2, 5], "int32")
    const cases = [
      [reader(), words, { rank: 1, targets: ["**"] }],
      [reader(), words, { method: "full", exclude: ["last.*"], modulesToSave: ["last.*"] }],
      [mobile(), uniform([2, 6, 6, 3], 2), { rank: 2, modulesToSave: ["depthwise", "norm"] }],
      [mobile(), uniform([2, 6, 6, 3], 2), { method: "full", head: ["norm", "label"] }]
    ] as const
    for (const [model, x, options] of cases) {
      const adapted = await adapt(model, options as AdaptOptionsInput)
      moved(adapted)
      const expected = await numbers(adapted.predict(x))
      expect(relativeError(await numbers(model.predict(x) as tf.Tensor), expected)).toBeGreaterThan(1e-3)
      const merged = await adapted.model()
      expectClose(await numbers(merged.predict(x) as tf.Tensor), expected, MERGED)
      const loaded = await loadAdapter(model, await adapted.files())
      expect(await numbers(loaded.predict(x))).toEqual(expected)
      await adapted.dispose()
    }
  })

  test("constraints of the layers are for training, not for what is merged", async () => {
    const model = sequential()
    const x = uniform([5, 6], 1)
    const adapted = await adapt(model, { rank: 2 })
    moved(adapted, 3, 1)
    const merged = await adapted.model()
    expectClose(await numbers(merged.predict(x) as tf.Tensor), await numbers(adapted.predict(x)), MERGED)
    expect(Math.min(...(await weightsOf(merged)))).toBeLessThan(0)
  })
})

describe("what is kept of the original", () => {
  const x = () => uniform([6, 6], 4)
  const y = () => uniform([6, 3], 5)

  test("it is compiled alike, with an optimizer of its own", async () => {
    await tf.setBackend("cpu")
    const model = sequential()
    const loss = (t: tf.Tensor, p: tf.Tensor) => tf.losses.meanSquaredError(t, p)
    model.compile({ optimizer: tf.train.rmsprop(0.02, 0.8), loss, metrics: ["mae"] })
    const weights = await weightsOf(model)
    const merged = await (await adapt(model, { rank: 2 })).model()
    expect(merged.optimizer).not.toBe(model.optimizer)
    expect(merged.optimizer.getConfig()).toEqual(model.optimizer.getConfig())
    expect([merged.loss, merged.metrics]).toEqual([model.loss, model.metrics])
    await merged.fit(x(), y(), { epochs: 2, verbose: 0 })
    expect(await weightsOf(model)).toEqual(weights) // training the copy is no business of the original
    expect((await adapt(convnet(), { rank: 2 })).network.base.optimizer).toBeUndefined()
  })

  test("layers of somebody's own, where their class is registered; else it is said", async () => {
    class Doubling extends tf.layers.Layer {
      static className = "Doubling"
      override call(inputs: tf.Tensor | Array<tf.Tensor>) {
        return tf.mul([inputs].flat()[0]!, 2)
      }
    }
    const build = () =>
      tf.sequential({
        name: "own",
        layers: [tf.layers.dense({ units: 4, inputShape: [6] }), new Doubling({}), tf.layers.dense({ units: 3 })]
      })
    const adapted = await adapt(build(), { rank: 2 })
    await expect(adapted.model()).rejects.toThrow("custom classes need tf.serialization.registerClass")
    tf.serialization.registerClass(Doubling as never)
    moved(adapted)
    const [merged, input] = [await adapted.model(), x()]
    expectClose(await numbers(merged.predict(input) as tf.Tensor), await numbers(adapted.predict(input)), MERGED)
  })
})

describe("the live model", () => {
  test("follows use, training and refresh, and shares what is not adapted with the base", async () => {
    const model = convnet()
    const x = uniform([4, 8, 8, 3], 3)
    const adapted = await adapt(model, { rank: 2, targets: ["first"] })
    await adapted.add("other", { rank: 1, targets: ["second"] })
    const before = tf.memory().numDataBuffers // numBytes counts shared data as often as it is shared
    const live = await adapted.live()
    expect(await adapted.live()).toBe(live)
    expect(tf.memory().numDataBuffers - before).toBe(1) // the one kernel that is adapted
    const same = async () =>
      expectClose(await numbers(live.predict(x) as tf.Tensor), await numbers(adapted.predict(x)), MERGED)
    moved(adapted)
    await same()
    adapted.use("other")
    moved(adapted)
    await same()
    adapted.use("adapter")
    await same()
    adapted.off()
    expect(await weightsOf(live)).toEqual(await weightsOf(model))
    adapted.on()
    const y = tf.oneHot(tf.tensor1d([0, 1, 2, 3], "int32"), 4)
    await adapted.fit(x, y, { loss: "categoricalCrossentropy", epochs: 2 })
    await same()
    await adapted.remove("adapter")
    expect(await weightsOf(live)).toEqual(await weightsOf(model))
    await adapted.dispose()
  })
})
