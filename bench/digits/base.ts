/**
 * The network that knows upright digits: trained once from seed 0, kept in the temporary folder under the hash of what
 * makes it.
 */
import { createHash } from "node:crypto"
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import { sparseCrossEntropy } from "../../src/kernels/cross-entropy.ts"
import { denseLinear } from "../../src/kernels/dense-linear.ts"
import { gaussian, randomStream } from "../../src/numbers/random.ts"
import { scaleByAdam } from "../../src/optimizers/adamw/transform.ts"
import { linear, scaleByLearningRate } from "../../src/optimizers/schedule.ts"
import { chain } from "../../src/optimizers/transform.ts"
import type { DenseParameter, Linear } from "../../src/tensors/trainable.ts"
import { batches, type Digits } from "./images.ts"
import { forward, imagePatches, sites } from "./network.ts"
import { trainer } from "./trainer.ts"

export interface Layer {
  readonly W: tf.Tensor2D // [out, in]
  readonly bias: tf.Tensor1D // [out]
}

/** Layers by site name. */
export type Base = Readonly<Record<string, Layer>>

const recipe = { epochs: 2, batchSize: 32, learningRate: 2e-3, seed: 0, version: 1 } as const

const path = (): string => {
  const hash = createHash("sha256").update(JSON.stringify({ recipe, sites })).digest("hex").slice(0, 16)
  return join(tmpdir(), `digits-base-${hash}.f32`)
}

/** He et al. 2015: N(0, 2/in), biases 0. */
const started = (): ReadonlyArray<DenseParameter> =>
  sites.flatMap(({ name, out, in: columns }) => {
    const random = randomStream(recipe.seed, "digits", "base", name)
    const deviation = Math.sqrt(2 / columns)
    const values = Float32Array.from({ length: out * columns }, () => deviation * gaussian(random))
    return [
      { name: `${name}.W`, role: "body", value: tf.tensor2d(values, [out, columns]) },
      { name: `${name}.bias`, role: "body", value: tf.zeros([out]) }
    ]
  })

const linearOf = (dense: ReadonlyArray<DenseParameter>): Linear => {
  const byName = new Map(dense.map(({ name, value }) => [name, value]))
  return ({ name }, x) =>
    denseLinear(x, byName.get(`${name}.W`) as tf.Tensor2D, byName.get(`${name}.bias`) as tf.Tensor1D)
}

const trained = async ({ train }: Digits): Promise<Float32Array> => {
  const perEpoch = Math.floor(train.count / recipe.batchSize)
  const steps = recipe.epochs * perEpoch
  const rate = linear({ peak: recipe.learningRate, steps, warmup: Math.round(steps / 10) })
  const training = trainer({ pairs: [], dense: started() }, chain(scaleByAdam(), scaleByLearningRate(rate)))
  const order = batches(train.count, recipe.batchSize, recipe.seed)
  for (let step = 0; step < steps; step++) {
    const indices = order.next().value as ReadonlyArray<number>
    await training.step(({ dense }) => {
      const labels = tf.tensor1d(
        indices.map((i) => train.labels[i]!),
        "int32"
      )
      return sparseCrossEntropy(forward(imagePatches(train, indices), linearOf(dense)), labels)
    })
  }
  const values = training.params.dense.map(({ value }) => value.dataSync() as Float32Array)
  const flat = new Float32Array(values.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const own of values) {
    flat.set(own, at)
    at += own.length
  }
  training.dispose()
  return flat
}

const layersOf = (flat: Float32Array): Base => {
  let at = 0
  const next = (size: number): Float32Array => {
    at += size
    return flat.slice(at - size, at)
  }
  return Object.fromEntries(
    sites.map(({ name, out, in: columns }) => [
      name,
      { W: tf.tensor2d(next(out * columns), [out, columns]), bias: tf.tensor1d(next(out)) }
    ])
  )
}

/** The layers on the current backend, trained now if they never were. */
export const openBase = async (digits: Digits): Promise<Base> => {
  const file = path()
  if (!existsSync(file)) {
    const flat = await trained(digits)
    writeFileSync(`${file}.${process.pid}`, new Uint8Array(flat.buffer))
    renameSync(`${file}.${process.pid}`, file)
  }
  const bytes = readFileSync(file)
  return layersOf(new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)))
}
