/** A new classification head in a tf.LayersModel: of any number of classes, whatever layers are between the scores and the output. */
import { beforeAll, describe, expect, test } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import { scoringLayer, withNewHead } from "../../../src/models/layers-model/index.ts"

beforeAll(() => tf.setBackend("cpu"))

const SIDE = 4
const own = { classes: 5, start: "normal", seed: 3 } as const

/** Two layers of features, as they are before any head. */
const features = () => {
  const x = tf.input({ shape: [SIDE, SIDE, 2] })
  const conv = tf.layers.conv2d({ name: "conv", filters: 3, kernelSize: 3, activation: "relu" })
  return { x, y: conv.apply(x) as tf.SymbolicTensor }
}
const through = (y: tf.SymbolicTensor, ...layers: ReadonlyArray<tf.layers.Layer>) =>
  layers.reduce((sum, layer) => layer.apply(sum) as tf.SymbolicTensor, y)

const functional = (...layers: ReadonlyArray<tf.layers.Layer>) => {
  const { x, y } = features()
  return tf.model({ inputs: x, outputs: through(y, ...layers) })
}

const pooled = () => tf.layers.globalAveragePooling2d({ dataFormat: "channelsLast" })

/** Models of three classes, and the path of the layer that computes their scores. */
const models: Readonly<Record<string, readonly [path: string, make: () => tf.LayersModel]>> = {
  "a dense layer with softmax": [
    "scores",
    () => functional(pooled(), tf.layers.dense({ name: "scores", units: 3, activation: "softmax" }))
  ],
  "a dense layer without a bias, and a softmax after it": [
    "scores",
    () =>
      functional(
        pooled(),
        tf.layers.dense({ name: "scores", units: 3, useBias: false }),
        tf.layers.activation({ activation: "softmax" })
      )
  ],
  "a convolution, a softmax and a reshape, as MobileNet has them": [
    "predictions",
    () =>
      functional(
        pooled(),
        tf.layers.reshape({ targetShape: [1, 1, 3] }),
        tf.layers.conv2d({ name: "predictions", filters: 3, kernelSize: 1 }),
        tf.layers.activation({ activation: "softmax" }),
        tf.layers.reshape({ targetShape: [3] })
      )
  ],
  "a convolution whose places are averaged, as SqueezeNet has it": [
    "scores",
    () => functional(tf.layers.conv2d({ name: "scores", filters: 3, kernelSize: 1 }), pooled(), tf.layers.softmax())
  ],
  "sequential models in a sequential model, as Teachable Machine saves them": [
    "head.scores",
    () => {
      const { x, y } = features()
      const body = tf.model({ inputs: x, outputs: through(y, pooled()), name: "body" })
      const head = tf.sequential({
        name: "head",
        layers: [
          tf.layers.dense({ inputShape: [3], units: 4, activation: "relu" }),
          tf.layers.dense({ name: "scores", units: 3, useBias: false, activation: "softmax" })
        ]
      })
      return tf.sequential({ layers: [body, head] })
    }
  ]
}

const answers = (model: tf.LayersModel) =>
  tf.tidy(() => (model.predict(tf.randomNormal([2, SIDE, SIDE, 2], 0, 1, "float32", 1)) as tf.Tensor).arraySync())

const weightsOf = (model: tf.LayersModel) =>
  model.getWeights().map((weight) => ({ shape: weight.shape, values: [...weight.dataSync()] }))

describe.each(Object.entries(models))("%s", (_, [path, make]) => {
  test("has as many outputs as there are classes, which sum to 1; other weights are the model's, and the model is left unchanged", () => {
    const model = make()
    const before = { weights: weightsOf(model), answers: answers(model) }
    const replaced = withNewHead(model, own)
    expect(scoringLayer(replaced).path).toBe(path)
    const rows = answers(replaced) as ReadonlyArray<ReadonlyArray<number>>
    for (const row of rows) {
      expect(row).toHaveLength(5)
      expect(row.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5)
    }
    const head = scoringLayer(replaced).layer.getWeights()
    const kept = weightsOf(replaced).slice(0, -head.length)
    expect(kept).toEqual(before.weights.slice(0, kept.length))
    expect({ weights: weightsOf(model), answers: answers(model) }).toEqual(before)
    replaced.dispose()
  })
})

describe("the new layer", () => {
  const model = models["a dense layer with softmax"]![1]
  const head = (options: Parameters<typeof withNewHead>[1]) =>
    scoringLayer(withNewHead(model(), options))
      .layer.getWeights()
      .map((weight) => [...weight.dataSync()])

  test("has a bias of 0 and a kernel with deviation 0.02, by the seed alone", () => {
    const wide = { ...own, classes: 2000 }
    const [kernel, bias] = head(wide)
    expect(bias!.every((value) => value === 0)).toBe(true)
    const deviation = Math.sqrt(kernel!.reduce((sum, value) => sum + value ** 2, 0) / kernel!.length)
    expect(deviation).toBeCloseTo(0.02, 3)
    expect(head(wide)[0]).toEqual(kernel!)
    expect(head({ ...wide, seed: 4 })[0]).not.toEqual(kernel!)
  })

  test("is 0 where that is asked for", () => {
    expect(
      head({ ...own, start: "zeros" })
        .flat()
        .every((value) => value === 0)
    ).toBe(true)
  })
})

test("one sigmoid of two classes becomes a softmax", () => {
  const replaced = withNewHead(functional(pooled(), tf.layers.dense({ units: 1, activation: "sigmoid" })), {
    ...own,
    classes: 3
  })
  for (const row of answers(replaced) as ReadonlyArray<ReadonlyArray<number>>)
    expect(row.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5)
})

test("a layer that is no head is named, with what was expected", () => {
  const other = functional(pooled(), tf.layers.dense({ units: 3 }), tf.layers.batchNormalization({ name: "norm" }))
  expect(() => withNewHead(other, own)).toThrow(
    "found the layer norm (BatchNormalization) before its output; expected a dense layer or a convolution, which a new head could replace"
  )
})
