/**
 * One run: the base learns a new task, with an adapter at each of its four layers or by its weights themselves, and is
 * scored.
 */
import * as tf from "@tensorflow/tfjs"
import { sparseCrossEntropy } from "../../src/kernels/cross-entropy.ts"
import { denseLinear } from "../../src/kernels/dense-linear.ts"
import { loraLinear } from "../../src/kernels/lora-linear.ts"
import { randomStream } from "../../src/numbers/random.ts"
import type { FactorPair, Linear, Trainable } from "../../src/tensors/trainable.ts"
import type { Base } from "./base.ts"
import { ADAPTATION, batches, type Digits, type Images, inTask, type Task } from "./images.ts"
import { type MethodName, methods, optimizerOf } from "./methods.ts"
import { forward, imagePatches, sites } from "./network.ts"
import { type Trainer, trainer } from "./trainer.ts"

export interface Run {
  readonly task: Task
  readonly method: MethodName
  readonly learningRate: number
  readonly seed: number
  readonly steps: number
  /** of the images that it is scored on */
  readonly split: "validation" | "test"
}

export interface Outcome {
  /** share of right answers */
  readonly accuracy: number
  readonly loss: number
  /** mean of the last ten batches */
  readonly trainLoss: number
}

const BATCH = 32
const RANK = 4
/** α/r with α = 2r */
const SCALE = 2

/** LoRA's: A ~ U(±1/√in), B = 0. */
const startOf = ({ method, seed }: Run, base: Base): Trainable => {
  if (methods[method].trained === "weights")
    return { pairs: [], dense: sites.map(({ name }) => ({ name, role: "body", value: base[name]!.W.clone() })) }
  const pairs = sites.map((site): FactorPair => {
    const random = randomStream(seed, "digits", "init", site.name)
    const bound = 1 / Math.sqrt(site.in)
    const A = Float32Array.from({ length: RANK * site.in }, () => (2 * random() - 1) * bound)
    return { site, A: tf.tensor2d(A, [RANK, site.in]), B: tf.zeros([site.out, RANK]), scale: SCALE }
  })
  return { pairs, dense: [] }
}

const linearOf =
  (base: Base, { pairs, dense }: Trainable): Linear =>
  ({ name }, x) => {
    const { W, bias } = base[name]!
    const pair = pairs.find(({ site }) => site.name === name)
    if (pair !== undefined) return loraLinear(x, W, bias, pair.A, pair.B, pair.scale)
    return denseLinear(x, (dense.find((own) => own.name === name)?.value ?? W) as tf.Tensor2D, bias)
  }

const labelsOf = ({ labels }: Images, indices: ReadonlyArray<number>): tf.Tensor1D =>
  tf.tensor1d(
    indices.map((i) => labels[i]!),
    "int32"
  )

const SCORED_TOGETHER = 100

const score = (images: Images, base: Base, params: Trainable): Pick<Outcome, "accuracy" | "loss"> => {
  let [right, loss] = [0, 0]
  for (let at = 0; at < images.count; at += SCORED_TOGETHER) {
    const size = Math.min(SCORED_TOGETHER, images.count - at)
    const indices = Array.from({ length: size }, (_, i) => at + i)
    tf.tidy(() => {
      const logits = forward(imagePatches(images, indices), linearOf(base, params))
      loss += size * sparseCrossEntropy(logits, labelsOf(images, indices)).dataSync()[0]!
      const found = tf.argMax(logits, 1).dataSync()
      for (const [i, index] of indices.entries()) if (found[i] === images.labels[index]) right++
    })
  }
  return { accuracy: right / images.count, loss: loss / images.count }
}

/** Share of right answers of the base as it is. */
export const baseline = (digits: Digits, base: Base, task: Task): number =>
  score(inTask(digits.test, task), base, { pairs: [], dense: [] }).accuracy

/** `watch` is called after every step. */
export const adapt = async (
  digits: Digits,
  base: Base,
  run: Run,
  watch: (training: Trainer, loss: number) => void = () => {}
): Promise<Outcome> => {
  const train = inTask(digits.train, run.task, ADAPTATION)
  const training = trainer(startOf(run, base), optimizerOf(run.method, run.learningRate, run.steps))
  const order = batches(train.count, BATCH, run.seed)
  const losses: Array<number> = []
  for (let step = 1; step <= run.steps; step++) {
    const indices = order.next().value as ReadonlyArray<number>
    const loss = await training.step((params) =>
      sparseCrossEntropy(forward(imagePatches(train, indices), linearOf(base, params)), labelsOf(train, indices))
    )
    losses.push(loss)
    watch(training, loss)
  }
  const scored = score(inTask(digits[run.split], run.task), base, training.params)
  training.dispose()
  const last = losses.slice(-10)
  return { ...scored, trainLoss: last.reduce((sum, loss) => sum + loss, 0) / last.length }
}
