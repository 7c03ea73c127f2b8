/** Weights of classes and label smoothing: PyTorch's losses and gradients, on every backend. */
import { describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import type { ClassificationData } from "../../../src/data/index.ts"
import { plannedLoss } from "../../../src/kinds/rows/predictions.ts"
import { crossEntropy, labelCrossEntropy } from "../../../src/training/index.ts"
import { describeOnEach } from "../../backends.ts"
import golden from "../../golden/losses/label_loss.json"
import { expectClose } from "../../setup.ts"

// float32 against float64: a few roundings of numbers near 1
const PYTORCH = 1e-5

describe("PyTorch's CrossEntropyLoss(weight, label_smoothing)", () => {
  describeOnEach(() => {
    for (const [i, { shape, logits, labels, weights, smoothing, loss, gradient }] of golden.cases.entries()) {
      test(`case ${i + 1}: ${shape[1]} classes, ε = ${smoothing}${weights === null ? "" : ", weighted"}`, async () => {
        const own = labelCrossEntropy({ weights: weights ?? undefined, smoothing })
        const z = tf.tensor2d(logits, shape as [number, number])
        const y = tf.tensor1d(labels, "int32")
        const { value: found, grad } = tf.valueAndGrad((x: tf.Tensor) => own(x as tf.Tensor2D, y))(z)
        expectClose(await found.data(), [loss], PYTORCH)
        expectClose(await grad.data(), gradient, PYTORCH)
        tf.dispose([z, y, found, grad])
      })
    }
  })
})

test("wrong options are reported at once, in a plan's words", () => {
  expect(() => labelCrossEntropy({ weights: [1, 0], smoothing: 1, weight: 2 } as never)).toThrow(
    [
      'labelCrossEntropy: weight: unknown key; did you mean "weights"? (allowed: weights, smoothing)',
      "labelCrossEntropy: weights: found [1,0]; expected a list of numbers greater than 0",
      "labelCrossEntropy: smoothing: found 1; expected a number from 0 up to, not including, 1"
    ].join("\n")
  )
})

const data = {
  labels: ["a", "b", "c"],
  splits: { train: { rows: 12, classCounts: [6, 4, 2] } }
} as unknown as ClassificationData

describe("a plan's loss", () => {
  const value = async (loss: ReturnType<typeof plannedLoss>) => {
    const logits = tf.tensor2d([1, 2, 3, 0, 0, 1, 2, 0, 0], [3, 3])
    const labels = tf.tensor1d([0, 1, 2], "int32")
    const found = loss(logits, labels)
    const [read] = await found.data()
    tf.dispose([logits, labels, found])
    return read!
  }

  test("is the plain one where the plan says nothing", () => {
    expect(plannedLoss({}, data)).toBe(crossEntropy)
    expect(plannedLoss({ loss: { labelSmoothing: 0 } }, data)).toBe(crossEntropy)
  })

  test('"balanced" weighs a class by rows / (classes × its rows)', async () => {
    const balanced = plannedLoss({ loss: { classWeights: "balanced", labelSmoothing: 0 } }, data)
    expect(await value(balanced)).toBeCloseTo(await value(labelCrossEntropy({ weights: [12 / 18, 1, 2] })), 6)
  })

  test("weighs a label that it does not name by 1", async () => {
    const named = plannedLoss({ loss: { classWeights: { c: 3 }, labelSmoothing: 0.1 } }, data)
    expect(await value(named)).toBeCloseTo(await value(labelCrossEntropy({ weights: [1, 1, 3], smoothing: 0.1 })), 6)
  })
})
