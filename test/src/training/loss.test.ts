/** Cross-entropy against float64: value, gradient, and logits whose exponentials overflow. */
import { expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { valueAndGradients } from "../../../src/tensors/gradients.ts"
import { crossEntropy } from "../../../src/training/loss.ts"
import { describeOnBoth } from "../../backends.ts"
import { expectClose, expectNoLeak } from "../../setup.ts"

// exponentials, a logarithm and a difference in float32, of logits up to 3
const ROUNDINGS = 5e-6

const logits = [
  [0.5, -1.25, 3],
  [2, 2, 2],
  [-3, 0.25, 1]
]
const labels = [2, 0, 0]

const softmax = (row: ReadonlyArray<number>) => {
  const exps = row.map(Math.exp)
  const sum = exps.reduce((total, x) => total + x, 0)
  return exps.map((x) => x / sum)
}

describeOnBoth(() => {
  test("is the mean of −log p(label), and its gradient (p − one-hot) / rows", async () => {
    const z = tf.tensor2d(logits)
    const { value, gradients } = valueAndGradients(() => crossEntropy(z, tf.tensor1d(labels, "int32")), [z])
    const expected = logits.reduce((sum, row, i) => sum - Math.log(softmax(row)[labels[i]!]!), 0) / logits.length
    expectClose(await value.data(), [expected], ROUNDINGS)
    const dz = logits.flatMap((row, i) => softmax(row).map((p, j) => (p - (j === labels[i] ? 1 : 0)) / logits.length))
    expectClose(await gradients[0]!.data(), dz, ROUNDINGS)
  })

  test("large logits are no overflow", async () => {
    const z = tf.tensor2d([
      [1000, 0],
      [0, -1000]
    ])
    expect(await crossEntropy(z, tf.tensor1d([1, 0], "int32")).data()).toEqual(new Float32Array([500]))
  })

  test("leaves its value alone", async () => {
    const z = tf.tensor2d(logits)
    const y = tf.tensor1d(labels, "int32")
    await expectNoLeak(() => tf.tidy(() => crossEntropy(z, y)).dispose())
  })
})
