/**
 * Every loss that tfjs has: value and gradient against the equations in float64 (Keras's definitions, ε = 1e-7) and
 * central differences of them; and on a model against tfjs's own `evaluate`.
 */
import { describe, expect, spyOn, test } from "bun:test"
import type { Scalar, Tensor } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Result from "effect/Result"
import { type Compilation, type Compiled, compiledOf, evaluate } from "../../../src/layers-model/fit/index.ts"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { describeOnEach } from "../../backends.ts"
import { expectClose, tolerance } from "../../setup.ts"
import { random } from "../device/on-wasm.ts"
import { adaptedBy, rowsOf, twoHeads, twoLayers } from "./small-models.ts"

type Row = ReadonlyArray<number>
/** loss of one row */
type RowLoss = (y: Row, p: Row) => number

const EPSILON = 1e-7
const sum = (values: Row): number => values.reduce((total, value) => total + value, 0)
const mean = (values: Row): number => sum(values) / values.length
const clip = (value: number, least = EPSILON, most = 1 - EPSILON) => Math.min(most, Math.max(least, value))
const each = (y: Row, p: Row, f: (y: number, p: number) => number): Row => y.map((value, i) => f(value, p[i]!))
const normalized = (row: Row): Row => {
  const length = Math.sqrt(Math.max(sum(row.map((value) => value * value)), EPSILON))
  return row.map((value) => value / length)
}
const crossentropy: RowLoss = (y, p) => -sum(each(y, p, (t, q) => t * Math.log(clip(q / sum(p)))))

const equations: Readonly<Record<string, RowLoss>> = {
  meanSquaredError: (y, p) => mean(each(y, p, (t, q) => (q - t) ** 2)),
  meanAbsoluteError: (y, p) => mean(each(y, p, (t, q) => Math.abs(q - t))),
  meanAbsolutePercentageError: (y, p) =>
    100 * mean(each(y, p, (t, q) => Math.abs((t - q) / Math.max(EPSILON, Math.abs(t))))),
  meanSquaredLogarithmicError: (y, p) =>
    mean(each(y, p, (t, q) => (Math.log(1 + Math.max(q, EPSILON)) - Math.log(1 + Math.max(t, EPSILON))) ** 2)),
  squaredHinge: (y, p) => mean(each(y, p, (t, q) => Math.max(0, 1 - t * q) ** 2)),
  hinge: (y, p) => mean(each(y, p, (t, q) => Math.max(0, 1 - t * q))),
  categoricalHinge: (y, p) =>
    Math.max(0, 1 + Math.max(...each(y, p, (t, q) => (1 - t) * q)) - sum(each(y, p, (t, q) => t * q))),
  logcosh: (y, p) => mean(each(y, p, (t, q) => Math.log(Math.cosh(q - t)))),
  categoricalCrossentropy: crossentropy,
  sparseCategoricalCrossentropy: ([label], p) =>
    crossentropy(
      p.map((_, k) => (k === label ? 1 : 0)),
      p.map((q) => clip(q))
    ),
  binaryCrossentropy: (y, p) => mean(each(y, p, (t, q) => -t * Math.log(clip(q)) - (1 - t) * Math.log(1 - clip(q)))),
  kullbackLeiblerDivergence: (y, p) =>
    sum(each(y, p, (t, q) => t * Math.log(clip(t, EPSILON, 1) / clip(q, EPSILON, 1)))),
  poisson: (y, p) => mean(each(y, p, (t, q) => q - t * Math.log(q + EPSILON))),
  cosineProximity: (y, p) => -sum(each(normalized(y), normalized(p), (t, q) => t * q))
}

const compiledWith = (model: tf.LayersModel, compilation: Compilation): Compiled => {
  const compiled = compiledOf(model, compilation)
  if (Result.isFailure(compiled)) throw new Error(JSON.stringify(compiled.failure))
  return compiled.success
}

/** Targets of the kind that a loss is for. */
const targetsFor = (loss: string, next: () => number, rows: number, k: number): ReadonlyArray<Row> =>
  Array.from({ length: rows }, () => {
    const label = Math.floor(next() * k)
    if (/sparse/.test(loss)) return [label]
    if (/hinge/i.test(loss) && loss !== "categoricalHinge")
      return Array.from({ length: k }, () => (next() < 0.5 ? -1 : 1))
    if (/[cC]rossentropy|categoricalHinge/.test(loss)) return Array.from({ length: k }, (_, j) => (j === label ? 1 : 0))
    return Array.from({ length: k }, () => 0.1 + next())
  })

const ROWS = 5
const K = 4

describe("every loss of tfjs", () => {
  describeOnEach(() => {
    for (const [loss, ofRow] of Object.entries(equations)) {
      test(`${loss}: value and gradient`, async () => {
        const next = random(11)
        // between 0.05 and 0.95: no entry is clipped, and none at a kink
        const outputs = Array.from({ length: ROWS }, () => Array.from({ length: K }, () => 0.05 + 0.9 * next()))
        const targets = targetsFor(loss, next, ROWS, K)
        const total = (p: ReadonlyArray<Row>) => mean(p.map((row, i) => ofRow(targets[i]!, row)))
        const h = 1e-6
        const moved = (i: number, j: number, by: number) =>
          outputs.map((row, r) => row.map((value, c) => (r === i && c === j ? value + by : value)))
        const expected = outputs.flatMap((row, i) =>
          row.map((_, j) => (total(moved(i, j, h)) - total(moved(i, j, -h))) / (2 * h))
        )
        const model = twoLayers({ outputs: K })
        const compiled = compiledWith(model, { loss })
        const [y, p] = [tf.tensor2d(targets as Array<Array<number>>), tf.tensor2d(outputs)]
        const { value, gradients } = valueAndGradients(() => compiled.loss([p], [y]), [p])
        // some ten float32 operations and a sum over the row, where logarithms of numbers near 1 cancel
        expectClose(await value.data(), [total(outputs)], 10 * tolerance.operation)
        expectClose(await gradients[0]!.data(), expected, 20 * tolerance.operation)
        tf.dispose([value, ...gradients, y, p])
        model.dispose()
      })
    }

    test("probabilities of 0 and 1 have a finite loss and gradient", async () => {
      for (const loss of ["categoricalCrossentropy", "binaryCrossentropy", "sparseCategoricalCrossentropy"]) {
        const model = twoLayers({ outputs: 2 })
        const compiled = compiledWith(model, { loss })
        const y = loss.startsWith("sparse")
          ? tf.tensor2d([[1], [0]])
          : tf.tensor2d([
              [0, 1],
              [1, 0]
            ])
        const p = tf.tensor2d([
          [1, 0],
          [1, 0]
        ])
        const { value, gradients } = valueAndGradients(() => compiled.loss([p], [y]), [p])
        const gradient = [...(await gradients[0]!.data())]
        // one row is wrong for certain: −log ε, halved by the mean over the rows
        expectClose(await value.data(), [-Math.log(EPSILON) / 2], 1e-2)
        expect(gradient.every(Number.isFinite)).toBe(true)
        tf.dispose([value, ...gradients, y, p])
        model.dispose()
      }
    })

    test("a loss of one's own, and one of tf.losses with a gradient of its own", async () => {
      // tfjs's check for leaks takes what a gradient of one's own saves for one
      tf.env().set("IS_TEST", false)
      const mine = (y: Tensor, p: Tensor) => tf.mean(tf.pow(tf.sub(p, y), 4), -1)
      const model = twoLayers({ outputs: 3, activation: "linear" })
      const { x, oneHot } = rowsOf(7)
      for (const loss of [mine, tf.losses.softmaxCrossEntropy as unknown as typeof mine]) {
        const compiled = compiledWith(model, { loss })
        const [xs, ys] = [tf.tensor2d(x), tf.tensor2d(oneHot)]
        const own = tf.tidy(() => tf.mean(loss(ys, model.predict(xs) as Tensor)))
        await adaptedBy(model, async (adapted) => {
          const tensors = adapted.trainable.pairs.flatMap(({ A, B }) => [A, B])
          const { value, gradients } = valueAndGradients(
            () => compiled.loss(adapted.forward([xs], adapted.trainable), [ys]) as Scalar,
            tensors
          )
          expectClose(await value.data(), await own.data(), tolerance.forward)
          // B starts at 0, so A's gradient is 0 and B's is not
          const largest = await Promise.all(gradients.map(async (g) => Math.max(...(await g.data()).map(Math.abs))))
          expect(largest.filter((size) => size > 1e-4).length).toBe(gradients.length / 2)
          tf.dispose([value, ...gradients])
        })
        tf.dispose([xs, ys, own])
      }
      model.dispose()
      tf.env().set("IS_TEST", true)
    })
  })
})

describe("what a compiled model says of itself", () => {
  describeOnEach(() => {
    for (const loss of Object.keys(equations)) {
      test(`${loss} on a model is tfjs's own`, async () => {
        const model = twoLayers({ outputs: 3 })
        const { x, labels, oneHot } = rowsOf(20)
        const y = /sparse/.test(loss) ? labels.map((label) => [label]) : oneHot
        model.compile({ optimizer: "sgd", loss, metrics: ["acc", "mse"].slice(0, /sparse/.test(loss) ? 1 : 2) })
        const [xs, ys] = [tf.tensor2d(x), tf.tensor2d(y)]
        const own = model.evaluate(xs, ys, { batchSize: 8 }) as Array<Scalar>
        const scores = await adaptedBy(model, (adapted) => evaluate(adapted, xs, ys, { batchSize: 8 }))
        expect(Object.keys(scores)).toEqual(model.metricsNames)
        const expected = await Promise.all(own.map(async (score) => (await score.data())[0]!))
        for (const [i, name] of model.metricsNames.entries()) expectClose([scores[name]!], [expected[i]!], 1e-5)
        tf.dispose([xs, ys, ...own])
        model.dispose()
      })
    }
  })
})

test("losses and metrics for each output, as lists and by name; the model stays uncompiled", async () => {
  const model = twoHeads()
  const byName = compiledWith(model, {
    loss: { digit: "categoricalCrossentropy", size: "meanSquaredError" },
    metrics: { digit: "accuracy", size: "mae" }
  })
  const asList = compiledWith(model, { loss: ["categoricalCrossentropy", "meanSquaredError"], metrics: ["mae"] })
  expect(byName.names).toEqual(["loss", "digit_loss", "size_loss", "digit_acc", "size_mae"])
  expect(asList.names).toEqual(["loss", "digit_loss", "size_loss", "digit_mae", "size_mae"])
  expect(model.optimizer).toBeUndefined()
  const digit = tf.tensor2d([[0.2, 0.5, 0.3]])
  const size = tf.tensor2d([[2]])
  const [y, z] = [tf.tensor2d([[0, 1, 0]]), tf.tensor2d([[5]])]
  const { loss, scores } = byName.score([digit, size], [y, z])
  expectClose(await scores.data(), [-Math.log(0.5) + 9, -Math.log(0.5), 9, 1, 3], 1e-5)
  tf.dispose([loss, scores, digit, size, y, z])
  model.dispose()
})

test("a model without losses is told so, as is a loss that is none", () => {
  const model = twoHeads()
  const problems = (compilation: Compilation) => {
    const compiled = compiledOf(model, compilation)
    return Result.isFailure(compiled) ? compiled.failure.map(({ path, message }) => `${path}: ${message}`) : []
  }
  expect(problems({})).toEqual([
    'loss: the model is not compiled; call model.compile({ optimizer, loss, metrics }) first, or pass loss here, e.g. "categoricalCrossentropy"'
  ])
  expect(problems({ loss: "crossEntropi" })).toEqual(["loss, metrics: Unknown loss crossEntropi"])
  const warned = spyOn(console, "warn").mockImplementation(() => {}) // tfjs does, and goes on without
  expect(problems({ loss: { digit: "meanSquaredError" } })).toEqual([
    'loss: found none for the output "size"; expected a loss for every output'
  ])
  warned.mockRestore()
  model.dispose()
})
