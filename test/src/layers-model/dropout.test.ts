/** Adapters of LayersModels with dropout: fit drops, and nothing else does. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { inject, lora } from "../../../adapters/index.ts"
import { adapt } from "../../../src/layers-model/index.ts"
import { fromLayersModel } from "../../../src/models/layers-model/from-layers-model.ts"
import { tensorsOf } from "../../../src/tensors/trainable.ts"
import { describeOn } from "../../backends.ts"
import { expectClose, tolerance } from "../../setup.ts"
import { convnet, uniform } from "./networks.ts"
import { rowsOf, twoLayers } from "./small-models.ts"

const { x, oneHot } = rowsOf(24)

const numbers = async (tensor: tf.Tensor): Promise<ReadonlyArray<number>> => Array.from(await tensor.data())

/** What a fit leaves of an adapter, and what its predictions and those of its merged model are. */
const fitted = async (dropout: number | undefined) => {
  const model = twoLayers()
  model.compile({ optimizer: "sgd", loss: "categoricalCrossentropy" })
  const adapted = await adapt(model, { rank: 2, alpha: 4, ...(dropout === undefined ? {} : { dropout }) })
  const { history } = await adapted.fit(x, oneHot, { epochs: 2, batchSize: 8, shuffle: false })
  const rows = tf.tensor2d(x as Array<Array<number>>)
  const merged = await adapted.model()
  const outcome = {
    losses: history["loss"],
    factors: await Promise.all(tensorsOf(adapted.adapted.trainable).map(numbers)),
    predicted: await numbers(adapted.predict(rows) as tf.Tensor),
    merged: await numbers(merged.predict(rows) as tf.Tensor)
  }
  merged.dispose()
  await adapted.dispose()
  model.dispose()
  rows.dispose()
  return outcome
}

describeOn("wasm", () => {
  test("fit drops, the same each time; predictions and the merged model do not", async () => {
    const [none, zero, some] = [await fitted(undefined), await fitted(0), await fitted(0.4)]
    expect(zero).toEqual(none)
    expect(await fitted(0.4)).toEqual(some)
    expect(some.factors).not.toEqual(none.factors)
    // B = 0 before the first step, so that there is nothing to drop in its loss
    expect(some.losses).not.toEqual(none.losses)
    expectClose(some.predicted, some.merged, tolerance.forward)
  })

  test("a rate that is none is told with the other options", async () => {
    const model = twoLayers()
    await expect(adapt(model, { rank: 0, dropout: 1 })).rejects.toThrow(
      "dropout: found 1; expected a number from 0 up to, not including, 1"
    )
    model.dispose()
  })

  /** The inputs that the adapters of a model see in training, in the order of the forward pass. */
  const seenBy = (model: tf.LayersModel, input: tf.Tensor, training: boolean) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const network = yield* fromLayersModel(model)
        const adapted = yield* inject(network, lora, {
          ...{ rank: 1, alpha: 2, scaling: "standard", init: { kind: "kaiming" }, dropout: 0.5 },
          targets: "all-linear"
        } as const)
        const seen: Array<readonly [name: string, x: tf.Tensor]> = []
        tf.dispose([
          ...adapted.forward([input], adapted.trainable, {
            training: training ? { step: 2, batch: 0 } : undefined,
            tap: ({ name }, own, y) => {
              seen.push([name, tf.keep(own.clone())])
              return y
            }
          })
        ])
        return yield* Effect.forEach(seen, ([name, own]) =>
          Effect.promise(async () => ({ name, values: await numbers(own) }))
        )
      }).pipe(Effect.scoped)
    )

  /** A letter for each number: kept, dropped, or 0 before. */
  const letters = (dropped: ReadonlyArray<number>, whole: ReadonlyArray<number>) => {
    expect(dropped.length).toBe(whole.length)
    return dropped.map((value, i) => {
      if (whole[i] === 0) return "."
      if (value !== 0) expect(value).toBe(Math.fround(2 * whole[i]!))
      return value === 0 ? "0" : "1"
    })
  }

  test("a convolution's patches are dropped, each for itself", async () => {
    const model = convnet()
    const input = uniform([2, 8, 8, 3], 1)
    const [whole, dropped] = [await seenBy(model, input, false), await seenBy(model, input, true)]
    expect(whole.map(({ name }) => name)).toEqual(["first", "second", "logits"])
    for (const [i, { values }] of dropped.entries()) {
      const kept = letters(values, whole[i]!.values)
      const count = kept.filter((letter) => letter === "1").length
      const all = kept.filter((letter) => letter !== ".").length
      // half of them, within four standard deviations
      expect(Math.abs(count - all / 2)).toBeLessThan(4 * Math.sqrt(all / 4))
      expect(count).toBeLessThan(all)
    }
    model.dispose()
  })

  test("a recurrent layer drops the same places at each time", async () => {
    const sequence = tf.input({ shape: [5, 4] })
    const state = tf.layers.simpleRNN({ units: 16, name: "memory" }).apply(sequence) as tf.SymbolicTensor
    const model = tf.model({ inputs: sequence, outputs: state })
    const seen = await seenBy(model, uniform([3, 5, 4], 2), true)
    const recurrent = Map.groupBy(seen, ({ name }) => name)
    const times = [...recurrent.values()].find((own) => own.length === 5)!
    // the state is 0 at first, and bounded away from it afterwards
    const zeros = times.slice(1).map(({ values }) => values.map((value) => (value === 0 ? "0" : "1")).join(""))
    expect(zeros[0]).toMatch(/01.*10|10.*01/)
    expect(new Set(zeros).size).toBe(1)
    model.dispose()
  })
})
