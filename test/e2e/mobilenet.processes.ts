/**
 * A stranger's model: a MobileNetV2 as anyone has it (Keras's 3,538,984 numbers: depthwise-separable convolutions,
 * batch normalisation, ReLU6, residuals), adapted, trained, asked, saved and loaded in a dozen lines.
 */
import { expect, test } from "bun:test"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import { mobileNetV2 } from "../../bench/layers-model/mobilenet.ts"
import { peakResidentBytes } from "../../src/device/wasm.ts"
import { adapt, loadAdapter } from "../../src/layers-model/index.ts"
import { describeOn } from "../backends.ts"
import { expectClose, relativeError } from "../setup.ts"
import { TIMEOUT, workspace } from "./fixtures.ts"

const w = workspace()
const RANK = 4
const SIDE = 96
const ROWS = 8

// what a stranger writes begins here
const used = async (model: tf.LayersModel, x: tf.Tensor, y: tf.Tensor, folder: string, onBatchEnd: () => void) => {
  const adapted = await adapt(model, { rank: RANK, alpha: 8 })
  const optimizer = { kind: "lora-pro", learningRate: 2e-4 } as const
  const options = { plan: { optimizer }, epochs: 4, batchSize: ROWS / 2, callbacks: { onBatchEnd } }
  const { history } = await adapted.fit(x, y, options)
  const prediction = adapted.predict(x) as tf.Tensor
  const merged = await adapted.model()
  await adapted.save(folder)
  const loaded = await loadAdapter(model, folder)
  return { adapted, history, prediction, merged, loaded }
}
// and ends here

/** A compiled model, rows of noise and classes for them. */
const strange = () => {
  const model = mobileNetV2({ side: SIDE })
  model.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy" })
  const x = tf.randomUniform([ROWS, SIDE, SIDE, 3], -1, 1, "float32", 5)
  const y = tf.tensor1d(Array.from({ length: ROWS }, (_, i) => (37 * i) % 1000))
  return { model, x, y }
}

/**
 * Numbers of a pair of rank r at every kernel but the depthwise ones: r·(in + out), where a convolution's in is
 * height·width·in.
 */
const factorsOf = (model: tf.LayersModel, rank: number): number =>
  model.layers
    .filter((layer) => ["Conv2D", "Dense"].includes(layer.getClassName()))
    .map((layer) => layer.getWeights()[0]!)
    .reduce((sum, { size, shape }) => sum + rank * (size / shape.at(-1)! + shape.at(-1)!), 0)

const peak = (): string => `${Math.round(peakResidentBytes() / 1e6)} MB`

const bits = (tensor: tf.Tensor): string =>
  Buffer.from((tensor.dataSync() as Float32Array).slice().buffer).toString("hex")
const answerOf = (model: tf.LayersModel, x: tf.Tensor): string => tf.tidy(() => bits(model.predict(x) as tf.Tensor))
const weightsOf = (model: tf.LayersModel): ReadonlyArray<string> => model.getWeights().map(bits)

test("it is MobileNetV2, and factors of rank 4 at every kernel but the depthwise ones are 2.4 % of its numbers", () => {
  const model = mobileNetV2({ side: SIDE })
  expect(model.countParams()).toBe(3_538_984)
  expect(model.layers.filter((layer) => layer.getClassName() === "DepthwiseConv2D")).toHaveLength(17)
  expect(factorsOf(model, RANK)).toBe(83_468)
  expect(factorsOf(model, RANK) / model.countParams()).toBeCloseTo(0.0236, 4)
  model.dispose()
})

test("what a stranger writes is at most a dozen lines", () => {
  const source = readFileSync(import.meta.path, "utf8")
  const [, written] = /\/\/ what a stranger writes begins here\n([\s\S]*?)\/\/ and ends here/.exec(source)!
  const lines = written!.trim().split("\n")
  expect(lines.length).toBeGreaterThan(5)
  expect(lines.length).toBeLessThanOrEqual(12)
})

describeOn("wasm", () => {
  test(
    "adapts, learns, merges, saves and loads; the base is the same to the bit; nothing is left behind",
    async () => {
      const { model, x, y } = strange()
      const [answered, weighed] = [answerOf(model, x), weightsOf(model)]
      const before = tf.memory()
      const began = performance.now()
      const during: Array<string> = []
      const mine = await used(model, x, y, w.path("adapter"), () => during.push(answerOf(model, x)))
      const seconds = (performance.now() - began) / 1000

      const losses = mine.history["loss"] as ReadonlyArray<number>
      expect(losses).toHaveLength(4)
      expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.1)

      // the factors beside W, and one matrix W + s·BA: 53 layers of float32 sums in another order
      const merged = tf.tidy(() => (mine.merged.predict(x) as tf.Tensor).dataSync())
      const prediction = mine.prediction.dataSync()
      expectClose(prediction, merged, 1e-5)
      expect(
        relativeError(
          prediction,
          tf.tidy(() => (model.predict(x) as tf.Tensor).dataSync())
        )
      ).toBeGreaterThan(1e-2)
      expect(tf.tidy(() => bits(mine.loaded.predict(x) as tf.Tensor))).toBe(bits(mine.prediction))

      const bytes = statSync(join(w.path("adapter"), "adapter_model.safetensors")).size
      expect(bytes).toBeGreaterThan(4 * factorsOf(model, RANK))
      expect(bytes / (4 * model.countParams())).toBeLessThan(0.03)

      expect(during).toEqual(Array.from({ length: 8 }, () => answered))
      expect(answerOf(model, x)).toBe(answered)
      mine.adapted.off()
      expect(tf.tidy(() => bits(mine.adapted.predict(x) as tf.Tensor))).toBe(answered)
      const share = ((100 * bytes) / (4 * model.countParams())).toFixed(2)
      console.log(
        `${seconds.toFixed(1)} s for all of it; adapter ${bytes} bytes, ${share} % of the base; peak ${peak()}`
      )

      mine.merged.dispose()
      mine.prediction.dispose()
      await mine.loaded.dispose()
      await mine.adapted.dispose()
      expect(tf.memory().numTensors).toBe(before.numTensors)
      expect(tf.memory().numBytes).toBe(before.numBytes)
      expect(answerOf(model, x)).toBe(answered)
      expect(weightsOf(model)).toEqual(weighed)
      tf.dispose([x, y])
      model.dispose()
    },
    TIMEOUT
  )
})
