/**
 * Plans: all that they can say is done, and all that is wrong with them and with the options is said at once, before
 * the first step.
 */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import type { AdaptationPlanInput } from "../../../schemas/index.ts"
import { FitError, fit, fitDataset } from "../../../src/layers-model/fit/index.ts"
import { Diverged, type FoundRate } from "../../../src/training/index.ts"
import { describeOn } from "../../backends.ts"
import { expectClose, relativeError } from "../../setup.ts"
import { adaptedBy, datasetOf, numbersOf, rowsOf, twoLayers } from "./small-models.ts"

const { x, labels, oneHot } = rowsOf(24)

const classifier = (loss = "categoricalCrossentropy") => {
  const model = twoLayers()
  model.compile({ optimizer: "sgd", loss, metrics: ["acc"] })
  return model
}

interface Trained {
  readonly numbers: ReadonlyArray<number>
  readonly losses: ReadonlyArray<number>
  readonly rate: FoundRate | null
}

/** The adapter after a fit over all rows in their order. */
const trained = async (
  plan: AdaptationPlanInput,
  options: Parameters<typeof fit>[3] = {},
  head: ReadonlyArray<string> = []
) => {
  const model = classifier()
  const result = await adaptedBy(
    model,
    async (adapted): Promise<Trained> => {
      const all = { epochs: 2, batchSize: 8, shuffle: false, plan, ...options }
      const { history, rate } = await fit(adapted, x, oneHot, all)
      return { numbers: (await numbersOf(adapted)).flat(), losses: history["loss"] as Array<number>, rate }
    },
    { head }
  )
  model.dispose()
  return result
}

const problemsOf = async (failing: Promise<unknown>): Promise<ReadonlyArray<string>> => {
  const error = await failing.then(
    () => undefined,
    (cause: unknown) => cause
  )
  expect(error).toBeInstanceOf(FitError)
  return (error as FitError).message.split("\n")
}

const adamw = { kind: "adamw", learningRate: 1e-2 } as const

describeOn("wasm", () => {
  describe("what a plan says is done", () => {
    test("accumulate: batches of 4 by twos are batches of 8", async () => {
      // over all steps, so that their number counts too
      const optimizer = { ...adamw, schedule: { kind: "linear" } } as const
      const whole = await trained({ optimizer })
      const parts = await trained({ optimizer, training: { accumulate: 2, batchSize: 4 } }, { batchSize: undefined })
      // the mean of two means, in float32; Adam's root makes more of it where a gradient is near 0
      expect(relativeError(parts.numbers, whole.numbers)).toBeLessThan(1e-4)
      expectClose(parts.losses, whole.losses, 1e-5)
    })

    test("an epoch of three batches, by twos: steps of two and of one; the dataset goes on where it was", async () => {
      const model = classifier()
      const sizes: Array<number> = []
      await adaptedBy(model, (adapted) =>
        fitDataset(adapted, datasetOf(x, oneHot, 5).repeat(2), {
          epochs: 3,
          batchesPerEpoch: 3,
          plan: { training: { accumulate: 2 } },
          callbacks: { onBatchEnd: async (_, logs) => void sizes.push(logs["size"]!) }
        })
      )
      // batches of 5, 5, 5, 5, 4, and again
      expect(sizes).toEqual([10, 5, 9, 5, 10, 5])
      model.dispose()
    })

    test("a schedule goes over all steps, from its peak at the first", async () => {
      const linear = { ...adamw, schedule: { kind: "linear" } } as const
      const constant = await trained({ optimizer: adamw })
      const falling = await trained({ optimizer: linear })
      expect(relativeError(falling.numbers, constant.numbers)).toBeGreaterThan(1e-2)
      // the first step has the peak in both, so the losses of the first two batches agree and later ones do not
      const first = async (optimizer: NonNullable<AdaptationPlanInput["optimizer"]>) => {
        const losses: Array<number> = []
        await trained({ optimizer }, { callbacks: { onBatchEnd: async (_, logs) => void losses.push(logs["loss"]!) } })
        return losses
      }
      const [a, b] = [await first(adamw), await first(linear)]
      expect(a.length).toBe(6)
      expect(a.slice(0, 2)).toEqual(b.slice(0, 2))
      expect(a[5]).not.toBe(b[5]!)
    })

    test("steps end it in the middle of an epoch, which is validated and told all the same", async () => {
      const model = classifier()
      const epochs: Array<ReadonlyArray<string>> = []
      const onEpochEnd = async (_: number, logs: object) => void epochs.push(Object.keys(logs))
      let steps = 0
      const onBatchEnd = async () => void steps++
      const history = await adaptedBy(model, (adapted) =>
        fit(adapted, x, oneHot, {
          batchSize: 8,
          validationData: [x, oneHot],
          plan: { training: { steps: 5 } },
          callbacks: { onEpochEnd, onBatchEnd }
        })
      )
      expect([steps, history.epoch]).toEqual([5, [0, 1]])
      expect(epochs).toEqual(Array.from({ length: 2 }, () => ["val_loss", "val_acc", "loss", "acc"]))
      model.dispose()
    })

    test("clipNorm and headLearningRate", async () => {
      const sgd = { kind: "sgd", learningRate: 0.1 } as const
      const free = await trained({ optimizer: sgd })
      const held = await trained({ optimizer: { ...sgd, clipNorm: 1e-3 } })
      const start = await trained({ optimizer: { ...sgd, learningRate: 1e-30 } })
      const distance = (a: Trained) => Math.hypot(...a.numbers.map((value, i) => value - start.numbers[i]!))
      // six steps, each of length rate · clipNorm at most
      expect(distance(held)).toBeLessThanOrEqual(6 * 0.1 * 1e-3 * 1.01)
      expect(distance(free)).toBeGreaterThan(10 * distance(held))
      const head = ["last_1"]
      const still = await trained({ optimizer: { ...sgd, learningRate: 1e-30 } }, {}, head)
      const moved = await trained({ optimizer: { ...sgd, learningRate: 1e-30, headLearningRate: 0.1 } }, {}, head)
      // factors move too, by 1e-30 of a gradient that the head has changed
      const apart = moved.numbers.flatMap((value, i) => (Math.abs(value - still.numbers[i]!) < 1e-20 ? [] : [i]))
      // the head's 8 × 3 weights and 3 biases stand behind the factors
      expect(apart.length).toBe(27)
      expect(apart[0]).toBe(moved.numbers.length - 27)
    })

    test("diagnostics: the discrepancy in the logs, the reports behind the history", async () => {
      const model = classifier()
      const seen: Array<number | undefined> = []
      const history = await adaptedBy(model, (adapted) =>
        fit(adapted, x, oneHot, {
          epochs: 2,
          batchSize: 8,
          plan: {
            optimizer: { kind: "lora-pro", form: "sgd", learningRate: 1e-2 },
            training: { diagnostics: { every: 2, sites: ["hidden_*"] } }
          },
          callbacks: { onBatchEnd: async (_, logs) => void seen.push(logs["discrepancy"]) }
        })
      )
      expect(seen.map((value) => value !== undefined)).toEqual([true, false, true, false, true, false])
      expect(history.diagnostics.map(({ step, sites }) => [step, sites.map(({ site }) => site)])).toEqual(
        [1, 3, 5].map((step) => [step, ["hidden_1"]])
      )
      // LoRA-Pro's own direction is the nearest that the factors can take
      for (const { mean, warnings } of history.diagnostics) {
        expectClose([mean.method.discrepancy!], [mean.best.discrepancy!], 1e-3)
        expect(warnings).toEqual([])
      }
      const [first, second, third] = history.diagnostics.map(({ mean }) => mean.method.discrepancy!)
      expectClose(history.history["discrepancy"] as Array<number>, [(first! + second!) / 2, third!], 1e-12)
      model.dispose()
    })

    test("a look changes nothing of the training", async () => {
      const plain = await trained({ optimizer: { kind: "lora-pro", learningRate: 1e-2 } })
      const looked = await trained({
        optimizer: { kind: "lora-pro", learningRate: 1e-2 },
        training: { diagnostics: { every: 1 } }
      })
      expect(looked.numbers).toEqual(plain.numbers)
      expect(looked.losses).toEqual(plain.losses)
    })

    test("without a plan it is LoRA-Pro's full form at a rate that is found, and the run is the one with this number", async () => {
      const none = await trained({})
      const { learningRate, headLearningRate } = none.rate!
      const head = headLearningRate === undefined ? {} : { headLearningRate }
      const stated = await trained({ optimizer: { kind: "lora-pro", form: "full", learningRate, ...head } })
      expect(stated.rate).toBeNull()
      expect(none.numbers).toEqual(stated.numbers)
      expect(none.losses).toEqual(stated.losses)
    })
  })

  test("classWeight weights the rows' losses as tfjs does", async () => {
    const weights = { 0: 0.2, 1: 3, 2: 1 }
    const model = twoLayers()
    model.compile({ optimizer: tf.train.sgd(0), loss: "sparseCategoricalCrossentropy", metrics: ["acc"] })
    const [xs, ys] = [tf.tensor2d(x), tf.tensor2d(labels.map((label) => [label]))]
    const shared = { epochs: 1, batchSize: 8, shuffle: false, classWeight: weights }
    const expected = await model.fit(xs, ys, shared)
    const still = { optimizer: { kind: "sgd", learningRate: 1e-30 } } as const
    await adaptedBy(model, async (adapted) => {
      const own = await fit(adapted, xs, ys, { ...shared, plan: still })
      expectClose(own.history["loss"] as Array<number>, expected.history["loss"] as Array<number>, 1e-5)
      // one-hot targets are the same classes, and a list or a name means the one output
      const loss = "categoricalCrossentropy"
      for (const classWeight of [[weights], { last_1: weights }]) {
        const other = await fit(adapted, x, oneHot, { ...shared, classWeight, loss, metrics: ["acc"], plan: still })
        expectClose(other.history["loss"] as Array<number>, expected.history["loss"] as Array<number>, 1e-5)
      }
      const missing = fit(adapted, x, labels, { classWeight: { 0: 1, 1: 1 } })
      await expect(missing).rejects.toThrow(
        "classWeight: no weight for class 2, which is in the data; expected one for every class"
      )
    })
    tf.dispose([xs, ys])
    model.dispose()
  })

  test("a step that is not finite: Diverged, and the parameters of the last finite one", async () => {
    const model = classifier("meanSquaredError")
    await adaptedBy(model, async (adapted) => {
      const before = await numbersOf(adapted)
      const bad = x.map((row, i) => (i === 17 ? row.map(() => Number.NaN) : row))
      const losses: Array<number> = []
      const failing = fit(adapted, bad, oneHot, {
        epochs: 1,
        batchSize: 8,
        shuffle: false,
        plan: { optimizer: adamw },
        callbacks: { onBatchEnd: async (_, logs) => void losses.push(logs["loss"]!) }
      })
      const error = await failing.catch((cause: unknown) => cause)
      expect(error).toBeInstanceOf(Diverged)
      expect((error as Diverged).step).toBe(3)
      expect(losses.length).toBe(2)
      const after = (await numbersOf(adapted)).flat()
      expect(after.every(Number.isFinite)).toBe(true)
      expect(after).not.toEqual(before.flat())
      // and training can go on from there
      expect((await fit(adapted, x, oneHot)).epoch).toEqual([0])
    })
    model.dispose()
  })

  describe("what is wrong is said at once", () => {
    const wrongly = (options: object, rows: "fit" | "fitDataset" = "fit") => {
      const model = classifier()
      return adaptedBy(model, (adapted) =>
        problemsOf(
          rows === "fit"
            ? fit(adapted, x, oneHot, options)
            : fitDataset(
                adapted,
                datasetOf(x, oneHot, 8).filter(() => true),
                options
              )
        )
      )
    }

    test("options, plan and compilation together", async () => {
      expect(
        await wrongly({
          epocs: 2,
          batchSize: 0,
          verbose: 3,
          sampleWeight: tf.zeros([1]),
          loss: "meanSquareError",
          plan: { seed: -1, optimizer: { kind: "lora-pro" }, training: { threads: 2 } }
        })
      ).toEqual([
        expect.stringMatching(/^epocs: unknown key; did you mean "epochs"\? \(allowed: plan, loss, metrics, epochs, /),
        "sampleWeight: weights of single rows are not supported, as in tfjs; use classWeight for classes",
        expect.stringMatching(/^verbose: found 3; expected /),
        "batchSize: found 0; expected an integer of at least 1",
        "plan.seed: found -1; expected an integer of at least 0",
        'plan.optimizer.learningRate: missing; expected a number greater than 0, or "auto"',
        expect.stringMatching(/^plan\.training\.threads: unknown key/),
        "loss, metrics: Unknown loss meanSquareError"
      ])
      tf.disposeVariables()
    })

    test("rules of plans", async () => {
      expect(await wrongly({ plan: { training: { epochs: 2, steps: 3 } } })).toEqual([
        "plan.training: found both steps (3) and epochs (2); expected at most one of the two"
      ])
      const optimizer = { ...adamw, weightDecay: 200, schedule: { kind: "linear", warmup: 0.1, warmupSteps: 2 } }
      expect(await wrongly({ plan: { optimizer } })).toEqual([
        "plan.optimizer.schedule: found both warmup (0.1) and warmupSteps (2); expected at most one of the two",
        "plan.optimizer.weightDecay: found 200 with a learning rate of 0.01; expected learning rate × weightDecay below 1, otherwise decay flips the sign of the weights"
      ])
      expect(await wrongly({ plan: { training: { diagnostics: { sites: ["nowhere"] } } } })).toEqual([
        expect.stringMatching(/^plan\.training\.diagnostics\.sites\.0: .*nowhere/)
      ])
    })

    test("how long it goes on", async () => {
      expect(await wrongly({ epochs: 2, initialEpoch: 2 })).toEqual([
        "initialEpoch: found 2 with epochs 2; epochs is the epoch after the last; expected a larger value"
      ])
      expect(await wrongly({}, "fitDataset")).toEqual([
        "epochs: missing; expected an integer of at least 1, here or as plan.training.epochs, or plan.training.steps"
      ])
      expect(await wrongly({ validationSplit: 0.99 })).toEqual([
        "validationSplit: found 0.99 of 24 rows; no rows are left to train on"
      ])
      const optimizer = { ...adamw, schedule: { kind: "cosine" } }
      expect(await wrongly({ epochs: 2, plan: { optimizer } }, "fitDataset")).toEqual([
        'batchesPerEpoch: missing; the schedule "cosine" needs the number of steps, and this dataset does not know its number of batches: expected batchesPerEpoch, or plan.training.steps'
      ])
    })
  })
})
