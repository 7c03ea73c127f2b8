import { expect, test } from "bun:test"
import type { Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import { bertKind, bertParts } from "../../../src/models/bert.ts"
import { encoderOf } from "../../../src/models/encoder.ts"
import { applyHead, headLayers, meanPooling, newHeadParameters } from "../../../src/models/head.ts"
import type { HeadSpec } from "../../../src/models/model.ts"
import { expectClose } from "../../setup.ts"

const head: HeadSpec = {
  pooling: "pooler",
  output: "linear",
  parameters: [
    { name: "pooler.dense.weight", shape: [64, 64] },
    { name: "pooler.dense.bias", shape: [64] },
    { name: "classifier.weight", shape: [50, 64] },
    { name: "classifier.bias", shape: [50] }
  ],
  inCheckpoint: new Set(["pooler.dense.weight", "pooler.dense.bias"]),
  start: "normal",
  modulesToSave: []
}
const { config: encoder } = bertParts(bertKind, {
  hiddenSize: 2,
  layers: 1,
  attentionHeads: 1,
  intermediateSize: 2,
  vocabularySize: 1,
  positions: 3,
  tokenTypes: 1,
  layerNormEpsilon: 1e-12,
  activation: "relu",
  padId: 0,
  labels: []
})
const none = { ...head, inCheckpoint: new Set<string>() }
const largest = (data: Float32Array | undefined) => Math.max(...data!.map(Math.abs))

test("a new head is N(0, 0.02²) with zero bias, and only what the checkpoint lacks", () => {
  const values = newHeadParameters(head, 3)
  expect([...values.keys()]).toEqual(["classifier.weight", "classifier.bias"])
  const { data } = values.get("classifier.weight")!
  const mean = data.reduce((sum, v) => sum + v, 0) / data.length
  const deviation = Math.sqrt(data.reduce((sum, v) => sum + (v - mean) ** 2, 0) / data.length)
  // 3,200 draws: standard errors 3.5e-4 and 2.5e-4, four of them allowed
  expect(Math.abs(mean)).toBeLessThan(0.0015)
  expect(Math.abs(deviation - 0.02)).toBeLessThan(0.001)
  expect(largest(values.get("classifier.bias")?.data)).toBe(0)
})

test("it depends on the seed and the parameter's name alone", () => {
  const [a, b, c] = [newHeadParameters(head, 3), newHeadParameters(none, 3), newHeadParameters(head, 4)]
  expect(b.get("classifier.weight")).toEqual(a.get("classifier.weight")!)
  expect(c.get("classifier.weight")!.data).not.toEqual(a.get("classifier.weight")!.data)
  expect(b.get("pooler.dense.weight")!.data.slice(0, 64)).not.toEqual(b.get("classifier.weight")!.data.slice(0, 64))
})

test("zeros: the last layer alone, for a zero layer before it would never learn", () => {
  const values = newHeadParameters({ ...none, start: "zeros" }, 3)
  expect(largest(values.get("classifier.weight")?.data)).toBe(0)
  expect(largest(values.get("pooler.dense.weight")?.data)).toBeGreaterThan(0.01)
})

test("a norm in a new head starts as the identity", () => {
  const norm = { name: "head.norm", epsilon: 1e-5, bias: true }
  const { before, classifier } = headLayers({ ...encoderOf(encoder), head: { ...encoder.head, norm } }, "pooler", 3)
  const values = newHeadParameters({ ...none, parameters: [...before, ...classifier] }, 3)
  expect([...values.get("head.norm.weight")!.data]).toEqual([1, 1])
  expect([...values.get("head.norm.bias")!.data]).toEqual([0, 0])
})

test("mean pooling divides by the tokens, and padding has no say", async () => {
  const attentionMask = tf.tensor2d([1, 1, 0, 1, 0, 0], [2, 3])
  const ids = tf.zeros([2, 3], "int32") as Tensor2D
  const h = tf.tensor2d([1, 2, 3, 6, 1e6, -1e6, 5, 7, 1e6, 1e6, Number.MAX_SAFE_INTEGER, 9], [6, 2])
  const pooled = meanPooling(h, { inputIds: ids, tokenTypeIds: ids, attentionMask })
  expectClose(await pooled.data(), [2, 4, 5, 7], 1e-6)
})

test("without a layer: the pooled state itself, of length 1 where that is asked for", async () => {
  const attentionMask = tf.tensor2d([1, 1, 0, 1, 0, 0], [2, 3])
  const ids = tf.zeros([2, 3], "int32") as Tensor2D
  const h = tf.tensor2d([3, 4, 3, 12, 1e6, -1e6, 0, 0, 1e6, 1e6, 7, 9], [6, 2])
  const said = (pooling: HeadSpec["pooling"], output: HeadSpec["output"]) => {
    const none = () => {
      throw new Error("there are no weights")
    }
    const batch = { inputIds: ids, tokenTypeIds: ids, attentionMask }
    return applyHead(encoder, { pooling, output }, h, batch, none).data()
  }
  expectClose(await said("first", "pooled"), [3, 4, 0, 0], 1e-6)
  // a vector of zeros has no direction, and becomes no NaN
  expectClose(await said("first", "normalized"), [0.6, 0.8, 0, 0], 1e-6)
  expectClose(await said("mean", "pooled"), [3, 8, 0, 0], 1e-6)
})
