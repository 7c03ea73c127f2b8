/** Losses over vectors, their gradients and correlations against sentence-transformers and scipy (test/golden/make/embedding.py). */
import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import {
  contrast,
  cosent,
  cosineError,
  nested,
  type RelatedLoss
} from "../../../../../src/kinds/encoder/embedding/loss.ts"
import { pearson, spearman } from "../../../../../src/training/correlation.ts"
import { describeOnBoth } from "../../../../backends.ts"
import golden from "../../../../golden/embedding/embedding.json" with { type: "json" }
import { expectClose, expectNoLeak } from "../../../../setup.ts"

const { losses, correlation } = golden
const rows = losses.scores.length
const width = losses.vectors.length / rows / 3

const cases: Readonly<Record<keyof typeof losses.cases, RelatedLoss>> = {
  pairs: contrast(losses.cases.pairs.temperature),
  triplets: contrast(losses.cases.triplets.temperature),
  nested: nested(contrast(losses.cases.nested.temperature), losses.cases.nested.sizes),
  cosent: cosent(losses.cases.cosent.temperature),
  cosine: cosineError
}

// PyTorch's are float64; float32 with scores of up to 20 keeps six digits
const BOUND = 1e-5

describeOnBoth(() => {
  for (const [name, loss] of Object.entries(cases)) {
    test(`${name}: loss and gradient`, () =>
      expectNoLeak(async () => {
        const expected = losses.cases[name as keyof typeof cases]
        const { texts } = expected
        const vectors = tf.tensor2d(losses.vectors.slice(0, texts * rows * width), [texts * rows, width])
        const scores = tf.tensor1d(losses.scores)
        const { value, grad } = tf.valueAndGrad((v) => loss(v as Tensor2D, { texts, scores }))(vectors)
        expectClose(await value.data(), [expected.loss], BOUND)
        expectClose(await grad.data(), expected.gradient, BOUND)
        tf.dispose([vectors, scores, value, grad])
      }))
  }

  test("a row alone is told from nothing: no loss, and nothing to learn", async () => {
    const { value, grad } = tf.valueAndGrad((v) => cases.pairs(v as Tensor2D, { texts: 2, scores: tf.zeros([1]) }))(
      tf.tensor2d([1, 2, 3, -1], [2, 2])
    )
    expect(await value.data()).toEqual(Float32Array.of(0))
    expectClose(await grad.data(), [0, 0, 0, 0], 0)
  })
})

test("correlations are scipy's, with ties", () => {
  const { x, y } = correlation
  expectClose([pearson(x, y), spearman(x, y)], [correlation.pearson, correlation.spearman], 1e-12)
  expect(spearman([1, 1, 1], [1, 2, 3])).toBeNaN()
})
