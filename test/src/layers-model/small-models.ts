/** LayersModels small enough to train in a test, adapted. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type Adapted, inject, lora } from "../../../adapters/index.ts"
import { fromLayersModel, type LayersNetwork } from "../../../src/models/layers-model/from-layers-model.ts"
import { random } from "../device/on-wasm.ts"

/** dense 6 → 8 → outputs, weights from a seed: two calls give equal models. */
export const twoLayers = ({
  outputs = 3,
  activation = "softmax" as const,
  seed = 1
}: TwoLayers = {}): tf.LayersModel => {
  const next = random(seed)
  const kernel = (shape: [number, number]) =>
    tf.tensor2d(
      Float32Array.from({ length: shape[0] * shape[1] }, () => 2 * next() - 1),
      shape
    )
  const input = tf.input({ shape: [6], name: `x_${seed}` })
  const hidden = tf.layers.dense({ units: 8, activation: "tanh", name: `hidden_${seed}` })
  const last = tf.layers.dense({ units: outputs, activation, name: `last_${seed}` })
  const model = tf.model({ inputs: input, outputs: last.apply(hidden.apply(input)) as tf.SymbolicTensor })
  const weights = [kernel([6, 8]), tf.zeros([8]), kernel([8, outputs]), tf.zeros([outputs])]
  model.setWeights(weights)
  tf.dispose(weights)
  return model
}

interface TwoLayers {
  readonly outputs?: number
  readonly activation?: "softmax" | "sigmoid" | "linear" | "tanh"
  readonly seed?: number
}

/** Two inputs and two outputs, "digit" of three classes and "size" of one number. */
export const twoHeads = (): tf.LayersModel => {
  const a = tf.input({ shape: [6], name: "left" })
  const b = tf.input({ shape: [2], name: "right" })
  const joined = tf.layers.concatenate().apply([a, b]) as tf.SymbolicTensor
  const hidden = tf.layers.dense({ units: 8, activation: "tanh" }).apply(joined) as tf.SymbolicTensor
  const digit = tf.layers.dense({ units: 3, activation: "softmax", name: "digit" }).apply(hidden) as tf.SymbolicTensor
  const size = tf.layers.dense({ units: 1, name: "size" }).apply(hidden) as tf.SymbolicTensor
  return tf.model({ inputs: [a, b], outputs: [digit, size] })
}

/** Runs `f` on the model adapted with LoRA at all its linear layers, and disposes the adapter. */
export const adaptedBy = <A>(
  model: tf.LayersModel,
  f: (adapted: Adapted<LayersNetwork>) => A | Promise<A>,
  { rank = 2, head = [] as ReadonlyArray<string> } = {}
): Promise<A> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const network = yield* fromLayersModel(model, { head })
      const adapted = yield* inject(network, lora, {
        rank,
        alpha: 2 * rank,
        scaling: "standard",
        init: { kind: "kaiming" },
        targets: "all-linear"
      })
      return yield* Effect.promise(async () => f(adapted))
    }).pipe(Effect.scoped)
  )

/** Rows of six numbers and their classes, of which three that can be told apart by their first numbers. */
export const rowsOf = (rows: number, seed = 5) => {
  const next = random(seed)
  const labels = Array.from({ length: rows }, (_, i) => i % 3)
  const x = labels.map((label) => Array.from({ length: 6 }, (_, j) => (j === label ? 1.5 : 0) + 2 * next() - 1))
  const oneHot = labels.map((label) => [0, 1, 2].map((k) => (k === label ? 1 : 0)))
  return { x, labels, oneHot }
}

/** A dataset of `{ xs, ys }` in batches. */
export const datasetOf = (x: ReadonlyArray<unknown>, y: ReadonlyArray<unknown>, batchSize: number) =>
  tf.data
    .zip({
      xs: tf.data.array([...x] as Array<tf.TensorContainer>),
      ys: tf.data.array([...y] as Array<tf.TensorContainer>)
    })
    .batch(batchSize)

/** The numbers of every trained tensor. */
export const numbersOf = async ({
  trainable
}: Adapted<LayersNetwork>): Promise<ReadonlyArray<ReadonlyArray<number>>> => {
  const tensors = [...trainable.pairs.flatMap(({ A, B }) => [A, B]), ...trainable.dense.map(({ value }) => value)]
  return Promise.all(tensors.map(async (tensor) => [...(await tensor.data())]))
}
