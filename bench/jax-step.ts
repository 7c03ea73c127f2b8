/**
 * The same step in jax-js (npm `@jax-js/jax`), which is no dependency of this package: $JAX_JS names the folder that it is installed
 * in. One `jit` over loss, gradients of factors and head alone, and AdamW, on its `wasm` device, the only fast one without a GPU. A
 * model's shape and random weights: time does not depend on their values.
 */
import { pathToFileURL } from "node:url"
import { jaxJsEntry } from "./cells.ts"
import { syntheticBatch } from "./our-step.ts"
import { linearLayers, type ModelShape } from "./shapes.ts"

/** jax-js frees an array when its last reference is passed on; `ref` is one more reference. */
interface JaxArray {
  readonly ref: JaxArray
  readonly shape: Array<number>
  readonly add: (other: JaxArray | number) => JaxArray
  readonly sub: (other: JaxArray | number) => JaxArray
  readonly mul: (other: JaxArray | number) => JaxArray
  readonly div: (other: JaxArray | number) => JaxArray
  readonly sum: () => JaxArray
  readonly mean: (axis: number) => JaxArray
  readonly reshape: (shape: ReadonlyArray<number>) => JaxArray
  readonly transpose: (axes: ReadonlyArray<number>) => JaxArray
  readonly dispose: () => void
  readonly data: () => Promise<Float32Array>
}

type Arrays = Readonly<Record<string, JaxArray>>

type Loss = (trained: Arrays, frozen: Arrays) => JaxArray

type Step = (
  trained: Arrays,
  first: Arrays,
  second: Arrays,
  corrections: readonly [JaxArray, JaxArray],
  frozen: Arrays
) => [loss: JaxArray, trained: Arrays, first: Arrays, second: Arrays]

/** What the step uses of jax-js 0.1. */
interface Jax {
  readonly init: (device: "wasm") => Promise<unknown>
  readonly defaultDevice: (device: "wasm") => unknown
  readonly blockUntilReady: (arrays: ReadonlyArray<Arrays>) => Promise<unknown>
  readonly jit: (step: Step) => Step
  readonly valueAndGrad: (loss: Loss) => (trained: Arrays, frozen: Arrays) => [JaxArray, Arrays]
  readonly tree: {
    readonly map: (f: (...leaves: Array<JaxArray>) => JaxArray, ...trees: ReadonlyArray<Arrays>) => Arrays
    readonly ref: (tree: Arrays) => Arrays
  }
  readonly random: {
    readonly key: (seed: number) => JaxArray
    readonly normal: (key: JaxArray, shape: ReadonlyArray<number>) => JaxArray
  }
  readonly nn: {
    readonly gelu: (x: JaxArray, options: { approximate: boolean }) => JaxArray
    readonly softmax: (x: JaxArray, axis: number) => JaxArray
    readonly logSoftmax: (x: JaxArray, axis: number) => JaxArray
    readonly standardize: (x: JaxArray, axis: number, options: { epsilon: number }) => JaxArray
    readonly oneHot: (x: JaxArray, classes: number) => JaxArray
  }
  readonly numpy: {
    readonly array: (values: Int32Array | number, options?: { shape: ReadonlyArray<number> }) => JaxArray
    readonly ones: (shape: ReadonlyArray<number>) => JaxArray
    readonly zerosLike: (x: JaxArray) => JaxArray
    readonly matmul: (x: JaxArray, y: JaxArray) => JaxArray
    readonly take: (x: JaxArray, indices: JaxArray, axis: number) => JaxArray
    readonly sqrt: (x: JaxArray) => JaxArray
    readonly square: (x: JaxArray) => JaxArray
  }
}

/**
 * jax-js on that many threads: it starts a worker for each processor that the runtime says there is. One thread is its own way of
 * computing where there are no workers, which is faster than one worker that the main thread waits for.
 */
const open = async (threads: number): Promise<Jax> => {
  if (threads === 1) Reflect.deleteProperty(globalThis, "Worker")
  else Object.defineProperty(navigator, "hardwareConcurrency", { value: threads })
  const jax: Jax = await import(pathToFileURL(jaxJsEntry).href)
  await jax.init("wasm")
  jax.defaultDevice("wasm")
  return jax
}

const RANK = 8
const SCALE = 2
const RATE = 1e-4
const DECAY = 0.01
const BETAS = [0.9, 0.999] as const

const weights = ({ random, numpy: np }: Jax, shape: ModelShape, length: number) => {
  const { layers, width, vocabulary } = shape
  let seed = 0
  const normal = (...of: ReadonlyArray<number>) => random.normal(random.key(seed++), of).mul(0.02)
  const trained: Record<string, JaxArray> = { head: normal(width, 2), headBias: normal(2) }
  const frozen: Record<string, JaxArray> = { table: normal(vocabulary, width), positions: normal(length, width) }
  for (let layer = 0; layer < layers; layer++) {
    for (const [name, from, to] of linearLayers(shape)) {
      Object.assign(frozen, { [`${layer}.${name}.W`]: normal(from, to), [`${layer}.${name}.bias`]: normal(to) })
      Object.assign(trained, { [`${layer}.${name}.A`]: normal(from, RANK), [`${layer}.${name}.B`]: normal(RANK, to) })
    }
    for (const norm of ["attended", "last"])
      Object.assign(frozen, { [`${layer}.${norm}.gamma`]: np.ones([width]), [`${layer}.${norm}.beta`]: normal(width) })
  }
  return { trained, frozen }
}

const lossOf = ({ numpy: np, nn }: Jax, { layers, width, heads }: ModelShape, batch: number, length: number): Loss => {
  const split = (x: JaxArray) => x.reshape([batch, length, heads, width / heads]).transpose([0, 2, 1, 3])
  return (trained, frozen) => {
    const linear = (name: string, x: JaxArray) => {
      const adapted = np.matmul(np.matmul(x.ref, trained[`${name}.A`]!), trained[`${name}.B`]!)
      return np.matmul(x, frozen[`${name}.W`]!).add(frozen[`${name}.bias`]!).add(adapted.mul(SCALE))
    }
    const norm = (name: string, x: JaxArray) =>
      nn.standardize(x, -1, { epsilon: 1e-12 }).mul(frozen[`${name}.gamma`]!).add(frozen[`${name}.beta`]!)
    let x = np
      .take(frozen["table"]!, frozen["ids"]!, 0)
      .add(frozen["positions"]!)
      .reshape([batch * length, width])
    for (let layer = 0; layer < layers; layer++) {
      const q = split(linear(`${layer}.query`, x.ref))
      const k = split(linear(`${layer}.key`, x.ref))
      const v = split(linear(`${layer}.value`, x.ref))
      const scores = np.matmul(q, k.transpose([0, 1, 3, 2])).mul(1 / Math.sqrt(width / heads))
      const context = np
        .matmul(nn.softmax(scores, -1), v)
        .transpose([0, 2, 1, 3])
        .reshape([batch * length, width])
      const attended = norm(`${layer}.attended`, x.add(linear(`${layer}.output`, context)))
      const up = nn.gelu(linear(`${layer}.up`, attended.ref), { approximate: false })
      x = norm(`${layer}.last`, attended.add(linear(`${layer}.down`, up)))
    }
    const pooled = x.reshape([batch, length, width]).mean(1)
    const logits = np.matmul(pooled, trained["head"]!).add(trained["headBias"]!)
    return nn
      .logSoftmax(logits, -1)
      .mul(nn.oneHot(frozen["labels"]!, 2))
      .sum()
      .mul(-1 / batch)
  }
}

const stepOf = ({ numpy: np, tree, valueAndGrad }: Jax, lossFunction: Loss): Step => {
  const differentiated = valueAndGrad(lossFunction)
  const average = (beta: number) => (moment: JaxArray, x: JaxArray) => moment.mul(beta).add(x.mul(1 - beta))
  return (trained, first, second, [ofFirst, ofSecond], frozen) => {
    const [loss, gradients] = differentiated(tree.ref(trained), frozen)
    const squares = tree.map((x) => np.square(x!), tree.ref(gradients))
    const moments = [
      tree.map((m, g) => average(BETAS[0])(m!, g!), first, gradients),
      tree.map((m, g) => average(BETAS[1])(m!, g!), second, squares)
    ] as const
    const next = tree.map(
      (p, m, v) => {
        const direction = m!.mul(ofFirst.ref).div(np.sqrt(v!.mul(ofSecond.ref)).add(1e-8))
        return p!.mul(1 - RATE * DECAY).sub(direction.mul(RATE))
      },
      trained,
      ...moments.map((moment) => tree.ref(moment))
    )
    ofFirst.dispose()
    ofSecond.dispose()
    return [loss, next, ...moments]
  }
}

/** A step function: resolves to the loss when the step's arrays are there. */
export const jaxStep = async (
  shape: ModelShape,
  batch: number,
  length: number,
  threads: number
): Promise<() => Promise<number>> => {
  const jax = await open(threads)
  const { numpy: np, tree } = jax
  const { inputIds, labels } = syntheticBatch(batch, length)
  const { trained: initial, frozen: weightsAlone } = weights(jax, shape, length)
  const frozen = {
    ...weightsAlone,
    ids: np.array(inputIds, { shape: [batch, length] }),
    labels: np.array(labels, { shape: [batch] })
  }
  const step = jax.jit(stepOf(jax, lossOf(jax, shape, batch, length)))
  const zeros = () => tree.map((x) => np.zerosLike(x!), tree.ref(initial))
  let [trained, first, second] = [initial as Arrays, zeros(), zeros()]
  let taken = 0
  return async () => {
    taken++
    const corrections = BETAS.map((beta) => np.array(1 / (1 - beta ** taken))) as [JaxArray, JaxArray]
    const [loss, ...next] = step(trained, first, second, corrections, tree.ref(frozen))
    ;[trained, first, second] = next
    await jax.blockUntilReady(next)
    return (await loss.data())[0]!
  }
}
