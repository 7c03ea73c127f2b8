/** Golden models and adapters, and a LoRA linear of the tests' own. */
import { join } from "node:path"
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Sources } from "../../../src/hub/index.ts"
import type { TokenBatch } from "../../../src/models/model.ts"
import { platform } from "../../../src/platform.ts"
import { type HostTensor, readTensors } from "../../../src/safetensors/index.ts"
import type { Linear, Weights } from "../../../src/tensors/trainable.ts"

export const goldens = join(import.meta.dir, "../../golden")

/** Runs an effect; what it opens stays open until the test process ends. */
export const run = <A, E>(
  effect: Effect.Effect<A, E, Sources | Scope.Scope>,
  scope: Scope.Scope = Scope.makeUnsafe()
): Promise<A> => Effect.runPromise(effect.pipe(Effect.provideService(Scope.Scope, scope), Effect.provide(platform)))

/** Runs an effect and closes its scope. */
export const runScoped = <A, E>(effect: Effect.Effect<A, E, Sources | Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.scoped(effect).pipe(Effect.provide(platform)))

/** The error an effect fails with. */
export const failure = <A, E>(effect: Effect.Effect<A, E, Sources | Scope.Scope>): Promise<E> =>
  Effect.runPromise(Effect.flip(Effect.scoped(effect)).pipe(Effect.provide(platform)))

export type Tensors = ReadonlyMap<string, HostTensor>
export const readGolden = (path: string): Promise<Tensors> => run(readTensors(join(goldens, path)))

const tensorOf = ({ data, shape }: HostTensor, dtype: "float32" | "int32" = "float32") =>
  tf.tensor(dtype === "int32" ? Int32Array.from(data) : data, [...shape], dtype)

export const batchOf = (io: Tensors): TokenBatch => {
  const ids = io.get("input_ids")!
  const types = io.get("token_type_ids") ?? { shape: ids.shape, data: new Float32Array(ids.data.length) }
  return {
    inputIds: tensorOf(ids, "int32") as Tensor2D,
    tokenTypeIds: tensorOf(types, "int32") as Tensor2D,
    attentionMask: tensorOf(io.get("attention_mask")!) as Tensor2D
  }
}

/** y = xWᵀ + b */
export const frozen =
  (weights: Weights): Linear =>
  (site, x) => {
    const product: Tensor2D = tf.matMul(x, weights(`${site.name}.weight`) as Tensor2D, false, true)
    return site.bias === false ? product : tf.add<Tensor2D>(product, weights(`${site.name}.bias`))
  }

export interface GoldenPair {
  readonly A: Tensor2D
  readonly B: Tensor2D
  readonly scale: number
}

const MAGNITUDE = ".lora_magnitude_vector"

interface AdapterConfig {
  readonly r: number
  readonly lora_alpha: number
  readonly use_rslora: boolean
  readonly rank_pattern: Readonly<Record<string, number>>
  readonly alpha_pattern: Readonly<Record<string, number>>
}

/** PEFT's factor pairs and DoRA's magnitudes by site name, and its saved modules by parameter name. */
export const readAdapter = async (folder: string, prefix: string) => {
  const config = (await Bun.file(join(goldens, folder, "adapter_config.json")).json()) as AdapterConfig
  const file = await readGolden(`${folder}/adapter_model.safetensors`)
  const pairs = new Map<string, GoldenPair>()
  const magnitudes = new Map<string, Tensor1D>()
  const saved = new Map<string, HostTensor>()
  for (const [key, value] of file) {
    const name = key.replace("base_model.model.", "").replace(prefix, "")
    const site = name.replace(".lora_A.weight", "")
    if (name.endsWith(".lora_B.weight")) continue
    if (name.endsWith(MAGNITUDE)) {
      magnitudes.set(name.slice(0, -MAGNITUDE.length), tensorOf(value) as Tensor1D)
      continue
    }
    if (site === name) {
      saved.set(name, value)
      continue
    }
    // a pattern's key is the end of a module's path
    const pattern = (patterns: Readonly<Record<string, number>>) =>
      Object.entries(patterns).find(([end]) => `.${site}`.endsWith(`.${end}`))?.[1]
    const rank = pattern(config.rank_pattern) ?? config.r
    const alpha = pattern(config.alpha_pattern) ?? config.lora_alpha
    const A = tensorOf(value) as Tensor2D
    if (A.shape[0] !== rank) throw new Error(`${site}: rank ${A.shape[0]}, expected ${rank}`)
    pairs.set(site, {
      A,
      B: tensorOf(file.get(key.replace("lora_A", "lora_B"))!) as Tensor2D,
      scale: alpha / (config.use_rslora ? Math.sqrt(rank) : rank)
    })
  }
  return { pairs, magnitudes, saved }
}

/** y = xWᵀ + b + s·(xAᵀ)Bᵀ where there is a pair. */
export const lora =
  (weights: Weights, pairs: ReadonlyMap<string, GoldenPair>): Linear =>
  (site, x) => {
    const base = frozen(weights)(site, x)
    const pair = pairs.get(site.name)
    if (pair === undefined) return base
    const low = tf.matMul(x, pair.A, false, true)
    return tf.add(base, tf.mul(tf.matMul(low, pair.B, false, true), pair.scale)) as Tensor2D
  }

/** Mean cross-entropy of logits [batch, classes], labels [batch]. (Not tf.logSoftmax: on wasm it fails tfjs's own leak check.) */
export const crossEntropy = (logits: Tensor2D, labels: Tensor1D): tf.Scalar => {
  const chosen = tf.sum(tf.mul(tf.oneHot(labels, logits.shape[1]), logits), 1)
  return tf.mean(tf.sub(tf.logSumExp(logits, 1), chosen)) as tf.Scalar
}
