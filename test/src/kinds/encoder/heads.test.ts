/**
 * Losses and gradients of the kinds of runs over heads as PyTorch has them, on pairs of texts with token types; and their scores as scipy
 * and scikit-learn have them.
 */
import { expect, describe as suite, test } from "bun:test"
import { join } from "node:path"
import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { bestThresholds, multiLabelScores, USUAL_THRESHOLD } from "../../../../src/kinds/encoder/multi-label/scores.ts"
import { regressionScores } from "../../../../src/kinds/encoder/regression/scores.ts"
import { describe } from "../../../../src/models/describe.ts"
import { load } from "../../../../src/models/load.ts"
import { binaryCrossEntropy, crossEntropy, squaredError } from "../../../../src/training/index.ts"
import { describeOnBoth } from "../../../backends.ts"
import golden from "../../../golden/training/heads/scores.json" with { type: "json" }
import { expectClose, tolerance } from "../../../setup.ts"
import { batchOf, frozen, goldens, readGolden, run } from "../../models/golden.ts"

const noTokenizer = { encode: () => ({ ids: [], typeIds: [] }), padId: 0, vocabularySize: 0 }
const sites = ["encoder.layer.0.attention.self.query", "encoder.layer.1.output.dense"]

describeOnBoth(() => {
  test.each([
    ["classification", "classes", (z: Tensor2D, y: Tensor) => crossEntropy(z, y as Tensor1D)],
    ["regression", "numbers", (z: Tensor2D, y: Tensor) => squaredError(z, y as Tensor2D)],
    ["multi-label", "labels", (z: Tensor2D, y: Tensor) => binaryCrossEntropy(z, y as Tensor2D)]
  ] as const)("%s of pairs: loss and gradients", async (kind, targets, loss) => {
    const io = await readGolden("training/heads/io.safetensors")
    const options = { pooling: "mean", head: "zeros", labels: ["a", "b", "c"] } as const
    const description = await run(describe(join(goldens, "models/bert"), options))
    const model = await run(load(description, { seed: 0, tokenizer: noTokenizer }))
    const own = (name: string) => tf.tensor(io.get(name)!.data, [...io.get(name)!.shape])
    const names = [...sites.map((site) => `${site}.weight`), "head.weight", "head.bias"]
    const trained = names.map((name) => (name.startsWith("head") ? own(name) : tf.clone(model.weights(name))))
    const weights = (name: string) => trained[names.indexOf(name)] ?? model.weights(name)
    const z = () => model.forward(batchOf(io), frozen(weights), weights)
    const y = targets === "classes" ? tf.tensor1d(Int32Array.from(io.get(targets)!.data), "int32") : own(targets)
    expectClose(await z().data(), io.get("logits")!.data, tolerance.forward)
    const { value, grads } = tf.valueAndGrads(() => loss(z(), y) as Scalar)(trained)
    expectClose(await value.data(), io.get(`${kind}.loss`)!.data, tolerance.forward)
    for (const [i, name] of names.entries())
      expectClose(await grads[i]!.data(), io.get(`${kind}.grad.${name}`)!.data, tolerance.gradient)
  })

  test("a logit of 0 is half undecided, and large ones do not overflow", async () => {
    const z = tf.tensor2d([[0, 0, 200, -200]])
    const y = tf.tensor2d([[1, 0, 0, 1]])
    const { value, grads } = tf.valueAndGrads((one: Tensor) => binaryCrossEntropy(one as Tensor2D, y))([z])
    // float32: 7 digits of a mean of 100
    expect((await value.data())[0]).toBeCloseTo((2 * Math.LN2 + 400) / 4, 4)
    expect(Array.from(await grads[0]!.data())).toEqual([-0.125, 0.125, 0.25, -0.25])
  })
})

suite("scores", () => {
  test("of numbers, with ties, as scipy and scikit-learn have them", () => {
    const { predicted, right, ...expected } = golden.numbers
    const found = regressionScores(predicted.flat(), right.flat(), { deviation: [1, 1] })
    for (const [name, value] of Object.entries(expected)) expect(found[name as "mse"]).toBeCloseTo(value, 12)
    expect(found.loss).toBeCloseTo(found.mse, 12)
    const scaled = regressionScores(predicted.flat(), right.flat(), { deviation: [2, 2] })
    expect(scaled).toEqual({ ...found, loss: found.loss / 4 })
  })

  test("a correlation with a constant is no number", () => {
    const found = regressionScores([1, 1, 1], [1, 2, 3], { deviation: [1] })
    expect([found.pearson, found.spearman]).toEqual([Number.NaN, Number.NaN])
    expect(regressionScores([1, 2, 3], [2, 2, 2], { deviation: [1] }).r2).toBeNaN()
  })

  test("of labels, as scikit-learn has them; no threshold has a larger F1 than the best", () => {
    const { logits, targets, thresholds, bestF1, ...expected } = golden.decisions
    const [z, y] = [Float32Array.from(logits.flat()), Float32Array.from(targets.flat())]
    const found = multiLabelScores(z, y, thresholds)
    for (const [name, value] of Object.entries(expected)) expect(found[name as "loss"]).toBeCloseTo(value, 6)
    const best = bestThresholds(z, y, 4)
    const column = (values: Float32Array, i: number) => values.filter((_, at) => at % 4 === i)
    for (const [i, f1] of bestF1.entries()) {
      const own = multiLabelScores(column(z, i), column(y, i), [best[i]!])
      expect(own.macroF1).toBeCloseTo(f1, 12)
    }
    // no row has the last label
    expect(best[3]).toBe(USUAL_THRESHOLD)
  })

  test("a threshold is half-way between the probabilities that it tells apart", () => {
    const logit = (probability: number) => Math.log(probability / (1 - probability))
    const [threshold] = bestThresholds(Float32Array.of(logit(0.9), logit(0.2)), Float32Array.of(1, 0), 1)
    expect(threshold).toBeCloseTo(0.55, 6)
  })
})
