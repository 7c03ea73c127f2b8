/**
 * tfjs's callbacks around our steps: the same events, in the same order, with the same logs as tfjs's own `fit` has on
 * the same model.
 */
import { describe, expect, spyOn, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { type CallbackObject, fit, fitDataset } from "../../../src/layers-model/fit/index.ts"
import { describeOn } from "../../backends.ts"
import { expectClose, expectNoLeak } from "../../setup.ts"
import { adaptedBy, datasetOf, rowsOf, twoHeads, twoLayers } from "./small-models.ts"

interface Event {
  readonly name: string
  readonly at: number | undefined
  /** as it was when the event happened */
  readonly logs: Readonly<Record<string, number>>
}

const hooks = ["onTrainBegin", "onTrainEnd", "onEpochBegin", "onEpochEnd", "onBatchBegin", "onBatchEnd"] as const

/** A plain object of callbacks that writes down what it hears. */
const recorder = () => {
  const events: Array<Event> = []
  const heard =
    (name: string) =>
    async (...given: ReadonlyArray<unknown>) => {
      const [at, logs] = given.length > 1 ? given : [undefined, given[0]]
      events.push({ name, at: at as number | undefined, logs: { ...(logs as object) } })
    }
  const callbacks: CallbackObject = Object.fromEntries(hooks.map((name) => [name, heard(name)]))
  return { events, callbacks }
}

const shapeOf = (events: ReadonlyArray<Event>) => events.map(({ name, at, logs }) => [name, at, Object.keys(logs)])
const numbersIn = (logs: Event["logs"]): ReadonlyArray<number> => Object.values(logs)

const compiled = (metrics: ReadonlyArray<string> = ["acc"]) => {
  const model = twoLayers()
  model.compile({ optimizer: tf.train.sgd(0), loss: "categoricalCrossentropy", metrics: [...metrics] })
  return model
}

/** So small that no number shows it: what tfjs says with a rate of 0 is what should be said here. */
const still = { optimizer: { kind: "sgd", learningRate: 1e-30 } } as const

describeOn("wasm", () => {
  const { x, oneHot } = rowsOf(22)
  const validation = rowsOf(9, 8)

  describe("fit", () => {
    for (const [name, options] of Object.entries({
      "with validationData": { validationData: true },
      "with validationSplit": { validationSplit: 0.25 },
      "with neither, from another epoch": { initialEpoch: 1 }
    })) {
      test(name, async () => {
        const [xs, ys, vx, vy] = [x, oneHot, validation.x, validation.oneHot].map((rows) => tf.tensor2d(rows)) as [
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          tf.Tensor
        ]
        const { validationData, ...rest } = { validationData: false, ...options }
        const shared = {
          epochs: 3,
          batchSize: 8,
          shuffle: false,
          ...rest,
          ...(validationData ? { validationData: [vx, vy] as [tf.Tensor, tf.Tensor] } : {})
        }
        const model = compiled(["acc", "mse"])
        const theirs = recorder()
        const expected = await model.fit(xs, ys, { ...shared, callbacks: theirs.callbacks as tf.CustomCallbackArgs })
        const ours = recorder()
        const history = await adaptedBy(model, (adapted) =>
          fit(adapted, xs, ys, { ...shared, plan: still, callbacks: ours.callbacks })
        )
        // tfjs's fit knows neither number nor size of a batch before the batch; its fitDataset does, and so do we
        const known = theirs.events.map((event) =>
          event.name === "onBatchBegin" ? { ...event, logs: { batch: 0, size: 0 } } : event
        )
        expect(shapeOf(ours.events)).toEqual(shapeOf(known))
        for (const [i, event] of known.entries()) {
          if (event.name === "onBatchBegin") continue
          if (Object.keys(event.logs).length > 0)
            expectClose(numbersIn(ours.events[i]!.logs), numbersIn(event.logs), 1e-5)
        }
        expect(Object.keys(history.history)).toEqual(Object.keys(expected.history))
        expect(history.epoch).toEqual(expected.epoch)
        expect(history).toBeInstanceOf(tf.History)
        tf.dispose([xs, ys, vx, vy])
        model.dispose()
      })
    }
  })

  describe("fitDataset", () => {
    const dataset = () => datasetOf(x, oneHot, 8)
    for (const [name, options, endless] of [
      ["over the whole of a dataset", { validationData: "dataset" }, false],
      [
        "over some batches of it an epoch, validated on tensors",
        { batchesPerEpoch: 2, validationData: "tensors" },
        true
      ],
      ["over some batches of it, not validated", { batchesPerEpoch: 4 }, true]
    ] as const) {
      test(name, async () => {
        const [vx, vy] = [tf.tensor2d(validation.x), tf.tensor2d(validation.oneHot)]
        const { validationData, ...rest } = { validationData: undefined, ...options }
        const valid = () =>
          validationData === "dataset"
            ? datasetOf(validation.x, validation.oneHot, 4)
            : ([vx, vy] as [tf.Tensor, tf.Tensor])
        const shared = () => ({
          epochs: 2,
          ...rest,
          ...(validationData === undefined ? {} : { validationData: valid() })
        })
        const source = () => (endless ? dataset().repeat() : dataset())
        const model = compiled()
        const theirs = recorder()
        const expected = await model.fitDataset(source(), {
          ...shared(),
          callbacks: theirs.callbacks as tf.CustomCallbackArgs
        } as never)
        const ours = recorder()
        const history = await adaptedBy(model, (adapted) =>
          fitDataset(adapted, source(), { ...shared(), plan: still, callbacks: ours.callbacks })
        )
        expect(shapeOf(ours.events)).toEqual(shapeOf(theirs.events))
        for (const [i, { logs }] of theirs.events.entries()) {
          if (Object.keys(logs).length > 0) expectClose(numbersIn(ours.events[i]!.logs), numbersIn(logs), 1e-5)
        }
        expect(Object.keys(history.history)).toEqual(Object.keys(expected.history))
        tf.dispose([vx, vy])
        model.dispose()
      })
    }

    test("a dataset that ends before its epochs do: a warning, and the end", async () => {
      const warned = spyOn(console, "warn").mockImplementation(() => {})
      const model = compiled()
      const { events, callbacks } = recorder()
      await adaptedBy(model, (adapted) => fitDataset(adapted, dataset(), { epochs: 4, batchesPerEpoch: 2, callbacks }))
      expect(events.filter(({ name }) => name === "onBatchEnd").length).toBe(3)
      expect(events.filter(({ name }) => name === "onEpochEnd").length).toBe(2)
      expect(events.at(-1)!.name).toBe("onTrainEnd")
      expect(warned.mock.calls.map(([text]) => String(text))).toEqual([
        "the dataset ended after 1 of 2 batches (batchesPerEpoch), and training with it; use dataset.repeat() for an endless one"
      ])
      warned.mockRestore()
      model.dispose()
    })
  })

  test("what callbacks are told beforehand is what tfjs tells them", async () => {
    class Params extends tf.Callback {
      get told() {
        return this.params
      }
    }
    const [xs, ys] = [tf.tensor2d(x), tf.tensor2d(oneHot)]
    const model = compiled()
    const [theirs, ours] = [new Params(), new Params()]
    const shared = { epochs: 2, batchSize: 8, validationSplit: 0.25 }
    await model.fit(xs, ys, { ...shared, callbacks: [theirs] })
    await adaptedBy(model, (adapted) => fit(adapted, xs, ys, { ...shared, callbacks: [ours] }))
    expect(ours.told).toEqual(theirs.told)
    const dataset = datasetOf(x, oneHot, 8)
    await model.fitDataset(dataset, { epochs: 1, callbacks: [theirs] })
    await adaptedBy(model, (adapted) => fitDataset(adapted, dataset, { epochs: 1, callbacks: [ours] }))
    expect({ ...ours.told, initialEpoch: null }).toEqual({ ...theirs.told, initialEpoch: null })
    tf.dispose([xs, ys])
    model.dispose()
  })

  describe("stopping", () => {
    const epochsOf = async (callbacks: (model: tf.LayersModel) => Parameters<typeof fit>[3]) => {
      const model = compiled()
      const { epoch } = await adaptedBy(model, (adapted) => fit(adapted, x, oneHot, { epochs: 6, ...callbacks(model) }))
      expect(model.stopTraining).toBeFalsy()
      // a fit that was stopped does not stop the next one
      const again = await adaptedBy(model, (adapted) => fit(adapted, x, oneHot, { epochs: 2 }))
      expect(again.epoch).toEqual([0, 1])
      model.dispose()
      return epoch
    }

    test("tf.callbacks.earlyStopping", async () => {
      const impossible = tf.callbacks.earlyStopping({ monitor: "val_loss", patience: 2, minDelta: 1e6 })
      const plan = { optimizer: { kind: "lora-pro", learningRate: 1e-3 } } as const
      expect(await epochsOf(() => ({ validationSplit: 0.25, callbacks: impossible, plan }))).toEqual([0, 1, 2])
    })

    test("stopTraining on the model that a callback was given", async () => {
      class Stops extends tf.Callback {
        override async onEpochEnd(epoch: number) {
          // tfjs types it as the container that a model also is
          if (epoch === 1) (this as unknown as { model: tf.LayersModel }).model.stopTraining = true
        }
      }
      expect(await epochsOf(() => ({ callbacks: [new Stops()] }))).toEqual([0, 1])
    })

    test("stopTraining on the user's own model, in the middle of an epoch", async () => {
      let batches = 0
      const epochs = await epochsOf((model) => ({
        batchSize: 4,
        callbacks: {
          onBatchEnd: async () => {
            if (++batches === 8) model.stopTraining = true
          }
        }
      }))
      expect([epochs, batches]).toEqual([[0, 1], 8])
    })
  })

  test("a callback's model predicts, evaluates and saves with the adapter as it is at that moment", async () => {
    const [xs, ys] = [tf.tensor2d(x), tf.tensor2d(oneHot)]
    const model = compiled()
    const before = await (model.predict(xs) as tf.Tensor).data()
    class Looks extends tf.Callback {
      readonly seen: Array<{ loss: number; saved: tf.io.ModelArtifacts | undefined }> = []
      override async onEpochEnd() {
        const own = (this as unknown as { model: tf.LayersModel }).model
        const [loss] = (own.evaluate(xs, ys) as Array<tf.Scalar>).map((score) => score.dataSync()[0]!)
        const predicted = await (own.predict(xs) as tf.Tensor).data()
        let saved: tf.io.ModelArtifacts | undefined
        await own.save(
          tf.io.withSaveHandler(async (artifacts) => {
            saved = artifacts
            return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } }
          })
        )
        const loaded = await tf.loadLayersModel(tf.io.fromMemory(saved!))
        expectClose(predicted, await (loaded.predict(xs) as tf.Tensor).data(), 1e-5)
        loaded.dispose()
        this.seen.push({ loss: loss!, saved })
      }
    }
    const looks = new Looks()
    const history = await adaptedBy(model, (adapted) =>
      fit(adapted, xs, ys, {
        epochs: 3,
        validationData: [xs, ys],
        plan: { optimizer: { kind: "lora-pro", learningRate: 1e-2 } },
        callbacks: looks
      })
    )
    expectClose(
      looks.seen.map(({ loss }) => loss),
      history.history["val_loss"] as Array<number>,
      1e-5
    )
    expect(looks.seen[2]!.loss).toBeLessThan(looks.seen[0]!.loss)
    // and the model itself is what it was, to the bit
    expect([...(await (model.predict(xs) as tf.Tensor).data())]).toEqual([...before])
    model.dispose()
    tf.disposeVariables()
  })

  test("a list may mix callbacks and plain objects; each hears everything, in its place", async () => {
    const order: Array<string> = []
    class First extends tf.Callback {
      override async onEpochEnd() {
        order.push("first")
      }
    }
    const model = compiled()
    await adaptedBy(model, (adapted) =>
      fit(adapted, x, oneHot, {
        callbacks: [new First(), { onEpochEnd: async () => void order.push("second") }, new tf.History()]
      })
    )
    expect(order).toEqual(["first", "second"])
    model.dispose()
  })

  test("what a callback throws ends the fit as it is, and the model can be trained again", async () => {
    const model = compiled()
    await adaptedBy(model, async (adapted) => {
      const mine = new Error("mine")
      const callbacks = {
        onBatchEnd: async () => {
          throw mine
        }
      }
      expect(await fit(adapted, x, oneHot, { callbacks }).catch((error: unknown) => error)).toBe(mine)
      expect((await fit(adapted, x, oneHot)).epoch).toEqual([0])
    })
    model.dispose()
  })

  test("two fits at a time over one adapter: the second is refused", async () => {
    const model = compiled()
    await adaptedBy(model, async (adapted) => {
      const first = fit(adapted, x, oneHot, { epochs: 2 })
      await expect(fit(adapted, x, oneHot)).rejects.toThrow(
        "fit: this model is already being trained; await the other fit first"
      )
      expect((await first).epoch).toEqual([0, 1])
    })
    model.dispose()
  })

  describe("the thread is given up between steps", () => {
    /** Whoever waits for the thread, counted from the first batch to the last. */
    const turnsIn = async (options: Parameters<typeof fit>[3]) => {
      let turns = 0
      let running = true
      const wait = () => {
        turns++
        if (running) setTimeout(wait, 0)
      }
      setTimeout(wait, 0)
      const model = compiled()
      await adaptedBy(model, (adapted) => fit(adapted, x, oneHot, { epochs: 4, batchSize: 2, ...options }))
      running = false
      model.dispose()
      return turns
    }

    test("after every batch if asked, whatever the callbacks are", async () => {
      expect(await turnsIn({ yieldEvery: "batch", callbacks: { onEpochEnd: async () => {} } })).toBeGreaterThan(40)
      expect(await turnsIn({ yieldEvery: "batch" })).toBeGreaterThan(40)
      expect(await turnsIn({ yieldEvery: "batch", callbacks: [new tf.History()] })).toBeGreaterThan(40)
    })

    test("onYield is called with the place, and refused where nothing is ever yielded", async () => {
      const places: Array<string> = []
      const onYield = async (epoch: number, batch: number, logs: { readonly [name: string]: number }) =>
        void places.push(`${epoch}.${batch} ${Object.keys(logs)}`)
      const model = compiled()
      await adaptedBy(model, async (adapted) => {
        await fit(adapted, x, oneHot, {
          batchSize: 11,
          epochs: 2,
          yieldEvery: 1,
          callbacks: { onYield }
        })
        expect(places.length).toBeGreaterThan(0)
        expect(places[0]).toMatch(/^\d\.\d batch,size,loss,acc$/)
        const refused = fit(adapted, x, oneHot, { yieldEvery: "never", callbacks: { onYield } })
        await expect(refused).rejects.toThrow("callbacks: yieldEvery is `never` but you provided an `onYield` callback")
      })
      model.dispose()
    })
  })

  test("a model with two inputs and two outputs: every number under its own name", async () => {
    const model = twoHeads()
    model.compile({
      optimizer: tf.train.sgd(0),
      loss: { digit: "categoricalCrossentropy", size: "meanSquaredError" },
      metrics: { digit: "acc" }
    })
    const right = x.map((row) => row.slice(0, 2))
    const size = x.map((row) => [row[0]! + row[1]!])
    const tensors = [x, right, oneHot, size].map((rows) => tf.tensor2d(rows))
    const [left, other, digits, sizes] = tensors as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
    const theirs = recorder()
    const shared = { epochs: 1, batchSize: 8, shuffle: false }
    await model.fit([left, other], [digits, sizes], { ...shared, callbacks: theirs.callbacks as tf.CustomCallbackArgs })
    const ours = recorder()
    const xs = { right: other, left }
    const ys = { size: sizes, digit: digits }
    await adaptedBy(
      model,
      (adapted) =>
        fit(adapted, xs, ys, { ...shared, plan: still, validationData: [xs, ys], callbacks: ours.callbacks }),
      { rank: 1 }
    )
    const of = (events: ReadonlyArray<Event>) =>
      events.filter(({ name }) => name === "onBatchEnd").map(({ logs }) => logs)
    for (const [i, logs] of of(theirs.events).entries()) {
      expect(Object.keys(of(ours.events)[i]!)).toEqual(Object.keys(logs))
      expectClose(numbersIn(of(ours.events)[i]!), numbersIn(logs), 1e-5)
    }
    const epoch = ours.events.find(({ name }) => name === "onEpochEnd")!.logs
    // all rows are validated on, with the same parameters: the means of the epoch, which tfjs names wrongly
    for (const name of ["loss", "digit_loss", "size_loss", "digit_acc"])
      expectClose([epoch[`val_${name}`]!], [epoch[name]!], 1e-5)
    tf.dispose(tensors)
    model.dispose()
  })

  test("nothing is left behind, and nothing of the user's is disposed", async () => {
    const [xs, ys] = [tf.tensor2d(x), tf.tensor2d(oneHot)]
    const model = compiled()
    await expectNoLeak(() =>
      adaptedBy(model, async (adapted) => {
        await fit(adapted, xs, ys, { epochs: 2, validationSplit: 0.2, validationBatchSize: 2 })
        await fitDataset(adapted, datasetOf(x, oneHot, 8), { epochs: 2, validationData: [xs, ys] })
      })
    )
    expect([xs.isDisposed, ys.isDisposed]).toEqual([false, false])
    tf.dispose([xs, ys])
    model.dispose()
  })
})
