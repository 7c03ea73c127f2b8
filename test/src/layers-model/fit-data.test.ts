/**
 * What can be trained and evaluated on: datasets, tensors, arrays, typed arrays, by place and by name; and what is said
 * of the rest.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  compiledLoss,
  evaluate,
  evaluateDataset,
  FitError,
  fit,
  fitDataset,
  LayersDataError,
  layersBatches
} from "../../../src/layers-model/fit/index.ts"
import { adamw } from "../../../src/optimizers/index.ts"
import { steps } from "../../../src/training/index.ts"
import { describeOn } from "../../backends.ts"
import { expectClose, expectNoLeak } from "../../setup.ts"
import { adaptedBy, datasetOf, numbersOf, rowsOf, twoHeads, twoLayers } from "./small-models.ts"

const { x, labels, oneHot } = rowsOf(20)
const plan = { optimizer: { kind: "adamw", learningRate: 1e-2 } } as const

const classifier = (loss = "categoricalCrossentropy") => {
  const model = twoLayers()
  model.compile({ optimizer: "sgd", loss, metrics: ["acc"] })
  return model
}

const messageOf = async (failing: Promise<unknown>): Promise<string> => {
  try {
    await failing
  } catch (error) {
    expect(error instanceof FitError || error instanceof LayersDataError).toBe(true)
    return (error as Error).message
  }
  throw new Error("it did not fail")
}

describeOn("wasm", () => {
  describe("the same rows however they are given lead to the same adapter, to the bit", () => {
    const flat = (rows: ReadonlyArray<ReadonlyArray<number>>) => Float32Array.from(rows.flat())
    const asTensors = () => [tf.tensor2d(x), tf.tensor2d(oneHot)] as const
    const shared = { epochs: 2, batchSize: 8, plan, shuffle: false }

    const trained = async (how: (adapted: Parameters<typeof fit>[0]) => Promise<unknown>, loss?: string) => {
      const model = classifier(loss)
      const numbers = await adaptedBy(model, async (adapted) => {
        await how(adapted)
        return numbersOf(adapted)
      })
      model.dispose()
      return numbers
    }

    const ways: Record<string, (adapted: Parameters<typeof fit>[0]) => Promise<unknown>> = {
      arrays: (adapted) => fit(adapted, x, oneHot, shared),
      "typed arrays": (adapted) => fit(adapted, flat(x), flat(oneHot), shared),
      "Int32Array targets": (adapted) => fit(adapted, flat(x), Int32Array.from(oneHot.flat()), shared),
      "lists of one": (adapted) => fit(adapted, [flat(x)], [flat(oneHot)], shared),
      "by name": (adapted) => fit(adapted, { x_1: x }, { last_1: oneHot }, shared),
      "a dataset": (adapted) => fitDataset(adapted, datasetOf(x, oneHot, 8), { epochs: 2, plan }),
      "a dataset by name": (adapted) =>
        fitDataset(
          adapted,
          datasetOf(x, oneHot, 8).map((element) => {
            const { xs, ys } = element as { xs: tf.Tensor; ys: tf.Tensor }
            return { xs: { x_1: xs }, ys: { last_1: ys } }
          }),
          { epochs: 2, plan }
        ),
      "a dataset of lists": (adapted) =>
        fitDataset(
          adapted,
          datasetOf(x, oneHot, 8).map((element) => {
            const { xs, ys } = element as { xs: tf.Tensor; ys: tf.Tensor }
            return { xs: [xs], ys: [ys] }
          }),
          { epochs: 2, plan }
        )
    }
    test.each(Object.entries(ways))("%s", async (_, how) => {
      const [xs, ys] = asTensors()
      const expected = await trained((adapted) => fit(adapted, xs, ys, shared))
      expect(expected.flat().some((value) => value !== 0)).toBe(true)
      expect(await trained(how)).toEqual(expected)
      tf.dispose([xs, ys])
    })

    test("class numbers: [rows], [rows, 1], float or int", async () => {
      const own = (y: unknown) => trained((adapted) => fit(adapted, x, y, shared), "sparseCategoricalCrossentropy")
      const expected = await own(labels.map((label) => [label]))
      const [floats, ints] = [
        tf.tensor1d(labels),
        tf.tensor2d(
          labels.map((label) => [label]),
          undefined,
          "int32"
        )
      ]
      for (const y of [labels, Int32Array.from(labels), Uint8Array.from(labels), floats, ints]) {
        expect(await own(y)).toEqual(expected)
      }
      tf.dispose([floats, ints])
    })
  })

  test("the order of the rows is the seed's and the epoch's, and each row comes once an epoch", async () => {
    const seen: Array<ReadonlyArray<number>> = []
    const losses = async (seed: number) => {
      const model = classifier()
      const own = await adaptedBy(model, async (adapted) => {
        const { toDevice } = adapted.model
        const spied = (batch: Parameters<typeof toDevice>[0]) => {
          seen.push([...batch.inputs[0]!.values].filter((_, i) => i % 6 === 0))
          return toDevice(batch)
        }
        Object.assign(adapted.model, { toDevice: spied })
        return (await fit(adapted, x, oneHot, { epochs: 2, batchSize: 6, plan: { ...plan, seed } })).history["loss"]
      })
      model.dispose()
      return own as Array<number>
    }
    const first = await losses(3)
    const orders = [0, 1].map((epoch) => seen.slice(4 * epoch, 4 * epoch + 4).flat())
    const sorted = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)
    const expected = sorted([...Float32Array.from(x.map((row) => row[0]!))])
    expect(orders.map(sorted)).toEqual([expected, expected])
    expect(orders[0]).not.toEqual(orders[1]!)
    expect(await losses(3)).toEqual(first)
    expect(await losses(4)).not.toEqual(first)
  })

  describe("evaluation", () => {
    test("over a dataset is that over its rows, and over some of its batches that over theirs", async () => {
      const model = classifier()
      await adaptedBy(model, async (adapted) => {
        await fit(adapted, x, oneHot, { plan, epochs: 3 })
        const whole = await evaluate(adapted, x, oneHot, { batchSize: 7 })
        const dataset = datasetOf(x, oneHot, 8)
        const own = await evaluateDataset(adapted, dataset)
        expectClose(Object.values(own), Object.values(whole), 1e-5)
        const part = await evaluateDataset(adapted, dataset, { batches: 1 })
        expectClose(
          Object.values(part),
          Object.values(await evaluate(adapted, x.slice(0, 8), oneHot.slice(0, 8))),
          1e-5
        )
        // other metrics than those of the compilation, for this time
        expect(Object.keys(await evaluate(adapted, x, oneHot, { metrics: ["mse"] }))).toEqual(["loss", "mse"])
        expect(model.metricsNames).toEqual(["loss", "acc"])
      })
      model.dispose()
    })
  })

  describe("what does not fit is said before anything is computed with it", () => {
    const cases: Record<string, [xs: unknown, ys: unknown, says: string]> = {
      "another width": [x.map((row) => row.slice(1)), oneHot, "x and y: xs: found shape [20, 5]; expected [rows, 6]"],
      "other rows": [x, oneHot.slice(1), "x and y: ys: found 19 rows; expected 20, as xs has"],
      "no rows": [tf.zeros([0, 6]), tf.zeros([0, 3]), "x and y: xs: found no rows"],
      "class numbers in the place of one-hot rows": [x, labels, "x and y: ys: found shape [20]; expected [rows, 3]"],
      "both at once": [
        x.map((row) => row.slice(1)),
        labels,
        "x and y: xs: found shape [20, 5]; expected [rows, 6]\nx and y: ys: found shape [20]; expected [rows, 3]"
      ],
      texts: [x.map(() => "a"), oneHot, "x and y: xs: found numbers of type string; expected float32, int32 or bool"],
      nothing: [undefined, oneHot, "x and y: xs: missing; expected data for x_1"],
      "a name that is near": [{ x1: x }, oneHot, 'x and y: xs: no data for "x_1", found x1; is "x1" meant?'],
      "a typed array of no whole rows": [
        new Float32Array(121),
        oneHot,
        "x and y: xs: found 121 numbers; expected a multiple of 6, a row's numbers"
      ],
      "a ragged array": [[[1, 2], [3]], oneHot, "x and y: xs: not an array of numbers: "],
      "a function": [() => 1, oneHot, "x and y: xs: found function; expected a tensor or an array"]
    }
    test.each(Object.entries(cases))("%s", async (_, [xs, ys, says]) => {
      const model = classifier()
      await adaptedBy(model, async (adapted) => {
        const before = await numbersOf(adapted)
        expect(await messageOf(fit(adapted, xs, ys))).toStartWith(says)
        expect(await messageOf(evaluate(adapted, xs, ys))).toStartWith(says)
        expect(await numbersOf(adapted)).toEqual(before)
      })
      model.dispose()
    })

    test("a class that there is not, which a one-hot row of zeros would pass over in silence", async () => {
      const model = classifier("sparseCategoricalCrossentropy")
      await adaptedBy(model, async (adapted) => {
        const wrong = labels.map((label, i) => (i === 7 ? 3 : label))
        expect(await messageOf(fit(adapted, x, wrong))).toBe(
          "x and y: ys: found class 3; expected whole numbers from 0 to 2"
        )
        const half = labels.map((label, i) => (i === 7 ? 0.5 : label))
        expect(await messageOf(fit(adapted, x, half))).toBe(
          "x and y: ys: found class 0.5; expected whole numbers from 0 to 2"
        )
      })
      model.dispose()
    })

    test("in a dataset: which batch it was, and the steps before it stay", async () => {
      const model = classifier()
      await adaptedBy(model, async (adapted) => {
        const rows = tf.data.generator(function* () {
          for (let i = 0; i < 3; i++) {
            yield { xs: tf.tensor2d(x.slice(0, 4)), ys: tf.tensor2d(i < 2 ? oneHot.slice(0, 4) : oneHot.slice(0, 3)) }
          }
        } as never)
        let batches = 0
        const counted = { onBatchEnd: async () => void batches++ }
        await expectNoLeak(async () => {
          expect(await messageOf(fitDataset(adapted, rows, { epochs: 1, plan, callbacks: counted }))).toBe(
            "batch 3 of the dataset: ys: found 3 rows; expected 4, as xs has"
          )
        })
        expect(batches).toBe(2)
        expect((await numbersOf(adapted)).flat().every(Number.isFinite)).toBe(true)
      })
      model.dispose()
    })

    test("a dataset of single rows, of something else, and one that fails", async () => {
      const model = classifier()
      await adaptedBy(model, async (adapted) => {
        const single = tf.data.zip({ xs: tf.data.array(x), ys: tf.data.array(oneHot) })
        expect(await messageOf(fitDataset(adapted, single as never, { epochs: 1 }))).toContain(
          "batch 1 of the dataset: xs: found shape [6]; expected [rows, 6]"
        )
        const other = tf.data.array(x).batch(4)
        expect(await messageOf(fitDataset(adapted, other, { epochs: 1 }))).toBe(
          "batch 1 of the dataset: xs: missing; expected data for x_1\nbatch 1 of the dataset: ys: missing; expected data for last_1"
        )
        const failing = tf.data.generator(function* () {
          throw new Error("the file is gone")
        } as never)
        expect(await messageOf(fitDataset(adapted, failing as never, { epochs: 1 }))).toContain("the file is gone")
      })
      model.dispose()
    })

    test("several inputs: a missing name, and one array for two", async () => {
      const model = twoHeads()
      const options = { loss: { digit: "categoricalCrossentropy", size: "meanSquaredError" } } as const
      await adaptedBy(
        model,
        async (adapted) => {
          const y = { digit: oneHot, size: x.map((row) => [row[0]!]) }
          expect(await messageOf(fit(adapted, { left: x }, y, options))).toBe(
            'x and y: xs: no data for "right", found left'
          )
          expect(await messageOf(fit(adapted, tf.tensor2d(x), y, options))).toBe(
            "x and y: xs: found one array; expected 2, for left, right"
          )
          const width = x.map((row) => row.slice(0, 3))
          expect(await messageOf(fit(adapted, { left: x, right: width }, y, options))).toBe(
            'x and y: xs "right": found shape [20, 3]; expected [rows, 2]'
          )
        },
        { rank: 1 }
      )
      model.dispose()
      tf.disposeVariables()
    })
  })

  test("a dataset as a stream of batches, for a pipeline of effects", async () => {
    const model = classifier()
    await adaptedBy(model, async (adapted) => {
      const network = adapted.model
      const dataset = datasetOf(x, oneHot, 8)
      const reports = await Effect.runPromise(
        Effect.gen(function* () {
          const loss = yield* compiledLoss(network)
          return yield* layersBatches(network, dataset.repeat(4)).pipe(
            steps(adapted, { optimizer: adamw({ learningRate: 1e-2 }), loss }),
            Stream.runCollect
          )
        }).pipe(Effect.scoped)
      )
      expect(reports.map(({ step, rows }) => [step, rows])).toEqual(
        Array.from({ length: 12 }, (_, i) => [i + 1, [8, 8, 4][i % 3]!])
      )
      expect(reports.at(-1)!.loss).toBeLessThan(reports[2]!.loss)
      const broken = tf.data.array([{ xs: x.slice(0, 2), ys: oneHot.slice(0, 3) }])
      const error = await Effect.runPromise(layersBatches(network, broken).pipe(Stream.runCollect, Effect.flip))
      expect([error._tag, error.message]).toEqual([
        "LayersDataError",
        "batch 1 of the dataset: ys: found 3 rows; expected 2, as xs has"
      ])
    })
    model.dispose()
  })

  test("a stream of rows with class numbers, of whatever type, is what a loss over class numbers takes", async () => {
    const model = classifier("sparseCategoricalCrossentropy")
    await adaptedBy(model, async (adapted) => {
      const network = adapted.model
      const lossOf = (dtype: "int32" | "float32") =>
        Effect.gen(function* () {
          const rows = x.map((xs, i) => ({ xs, ys: tf.scalar(labels[i]!, dtype) }))
          const loss = yield* compiledLoss(network)
          const reports = yield* layersBatches(network, tf.data.array(rows).batch(8)).pipe(
            steps(adapted, { optimizer: adamw({ learningRate: 1e-9 }), loss }),
            Stream.runCollect
          )
          return reports[0]!.loss
        }).pipe(Effect.scoped, Effect.runPromise)
      expect(await lossOf("int32")).toBeCloseTo(await lossOf("float32"), 5)
    })
    model.dispose()
  })
})
