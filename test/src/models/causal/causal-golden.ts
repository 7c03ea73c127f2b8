/** Golden decoders, and PEFT's adapters on them and on other models through the project's own methods and file formats. */
import { join } from "node:path"
import type { Tensor, Tensor2D } from "@tensorflow/tfjs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Adapted, type AdapterMethod, dora, inject, type LoraOptions, lora } from "../../../../adapters/index.ts"
import { denseLinear } from "../../../../src/kernels/dense-linear.ts"
import { linearCrossEntropy } from "../../../../src/kernels/linear-cross-entropy.ts"
import {
  type CausalOutput,
  describeCausal,
  folderSource,
  loadCausal,
  logitsOf
} from "../../../../src/models/causal/index.ts"
import type { ExportedModel, Network } from "../../../../src/models/index.ts"
import type { HostTensor } from "../../../../src/safetensors/index.ts"
import type { CausalRows, CausalTokenizer } from "../../../../src/tensors/rows.ts"
import type { Linear, Trainable } from "../../../../src/tensors/trainable.ts"
import { goldens, readGolden, type Tensors } from "../golden.ts"

export const folderOf = (name: string): string => join(goldens, "models", name)
export const jsonOf = (path: string) => Bun.file(join(goldens, path)).json()

/** The golden folders have none. */
export const noTokenizer: CausalTokenizer = {
  encode: () => [],
  decode: () => "",
  bosId: null,
  eosId: null,
  padId: 0,
  vocabularySize: 0,
  specialIds: new Set(),
  bytesOf: () => null,
  chatTemplate: null,
  specialTokens: {}
}

/** A golden model, its config replaced where one is given. */
export const openGolden = (name: string, config?: unknown) =>
  Effect.gen(function* () {
    const folder = yield* folderSource(folderOf(name))
    const source = config === undefined ? folder : { ...folder, config }
    return yield* loadCausal(source, yield* describeCausal(source), { tokenizer: noTokenizer })
  })

const IGNORED = -100

/** The golden's batch: labels moved on by one, positions counted over padding too, as in the goldens. */
export const rowsOf = (io: Tensors): CausalRows => {
  const { data, shape } = io.get("input_ids")!
  const [size, length] = shape as readonly [number, number]
  const mask = io.get("attention_mask")!.data
  const labels = io.get("labels")!.data
  const places = Array.from({ length: size * length }, (_, i) => i % length)
  return {
    size,
    length,
    inputIds: Int32Array.from(data),
    labels: Int32Array.from(places, (place, i) => (place === length - 1 ? IGNORED : labels[i + 1]!)),
    segments: Int32Array.from(mask, (is) => (is === 1 ? 0 : -1)),
    positions: Int32Array.from(places),
    tokens: mask.reduce((sum, is) => sum + is, 0)
  }
}

/** One text, whole. */
export const oneText = (ids: ReadonlyArray<number>): CausalRows => ({
  size: 1,
  length: ids.length,
  inputIds: Int32Array.from(ids),
  labels: new Int32Array(ids.length).fill(IGNORED),
  segments: new Int32Array(ids.length),
  positions: Int32Array.from(ids.keys()),
  tokens: ids.length
})

/** y = xWᵀ + b */
export const frozen =
  (model: Pick<Network, "weights">): Linear =>
  (site, x) => {
    const bias = site.bias === false ? null : (model.weights(`${site.name}.bias`) as tf.Tensor1D)
    return denseLinear(x, model.weights(`${site.name}.weight`) as Tensor2D, bias)
  }

/** Rows of [tokens, width] where there is a token: elsewhere implementations differ. */
export const atTokens = (values: ArrayLike<number>, { segments }: CausalRows): Float32Array => {
  const width = values.length / segments.length
  return Float32Array.from(values).filter((_, i) => segments[Math.floor(i / width)]! >= 0)
}

export const logitsAt = async (output: CausalOutput, rows: CausalRows): Promise<Float32Array> =>
  atTokens(await logitsOf(output.hidden, output).data(), rows)

/** For generators of effects. */
export const valuesOf = (tensor: Tensor) => Effect.promise(() => tensor.data())

export const lossOf = ({ hidden, weight, softcap }: CausalOutput, target: tf.Tensor1D): tf.Scalar =>
  linearCrossEntropy(hidden, weight, target, { softcap })

interface PeftConfig {
  readonly r: number
  readonly lora_alpha: number
  readonly use_rslora: boolean
  readonly use_dora: boolean
  readonly rank_pattern: Readonly<Record<string, number>>
  readonly alpha_pattern: Readonly<Record<string, number>>
  readonly target_modules: ReadonlyArray<string>
  readonly modules_to_save: ReadonlyArray<string> | null
}

const tensorOf = ({ data, shape }: HostTensor): Tensor => tf.tensor(data, [...shape])

/** The golden's adapter in the model: sites as its config says, numbers as its file has them. `names`: of the tensors of the tree. */
export const adaptedGolden = <M extends Network & ExportedModel>(
  model: M,
  name: string,
  adapter: string
): Effect.Effect<{ readonly adapted: Adapted<M>; readonly names: ReadonlyArray<string> }, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = `models/${name}/${adapter}`
    const config = (yield* Effect.promise(() => jsonOf(`${folder}/adapter_config.json`))) as PeftConfig
    const file = yield* Effect.promise(() => readGolden(`${folder}/adapter_model.safetensors`))
    const adapted = yield* inject<LoraOptions, M>(
      model,
      (config.use_dora ? dora : lora) as AdapterMethod<LoraOptions>,
      {
        rank: config.r,
        alpha: config.lora_alpha,
        scaling: config.use_rslora ? "rank-stabilized" : "standard",
        init: { kind: "kaiming" },
        targets: config.target_modules,
        overrides: [
          ...Object.entries(config.rank_pattern).map(([target, rank]) => ({ targets: [target], rank })),
          ...Object.entries(config.alpha_pattern).map(([target, alpha]) => ({ targets: [target], alpha }))
        ],
        // a head is trained without being asked for
        modulesToSave: (config.modules_to_save ?? []).filter((own) => !model.exported.modulesToSave.includes(own))
      }
    )
    const layout = adapted.method.peft.layout!
    const names: Array<string> = []
    const found = (key: string): Tensor => {
      names.push(key)
      return tensorOf(file.get(key)!)
    }
    const parts = adapted.parts(adapted.trainable).map((part): Trainable => {
      const module = `base_model.model.${model.exported.nameOf(part.site.name)}`
      const stored = Object.keys(layout.shapes(part)).map((own) => [own, found(`${module}.${own}`)])
      return layout.restored(part, Object.fromEntries(stored))
    })
    const owned = new Set(parts.flatMap(({ dense }) => dense.map((parameter) => parameter.name)))
    const saved = adapted.trainable.dense
      .filter((parameter) => !owned.has(parameter.name))
      .flatMap((parameter) => {
        const key = `base_model.model.${model.exported.nameOf(parameter.name)}`
        // a head that the golden does not train
        return parameter.role === "head" && !file.has(key) ? [] : [{ ...parameter, value: found(key) }]
      })
    if (names.length !== file.size) throw new Error(`${folder}: ${names.length} of ${file.size} tensors have a place`)
    adapted.trainable = {
      pairs: parts.flatMap(({ pairs }) => pairs),
      dense: [...parts.flatMap(({ dense }) => dense), ...saved]
    }
    // pairs come first in a tree, magnitudes and saved modules behind them
    const factors = names.filter((key) => key.includes(".lora_A.") || key.includes(".lora_B."))
    return { adapted, names: [...factors, ...names.filter((key) => !factors.includes(key))] }
  })

/** The model's linear layers with the adapter merged into their weights. */
export const mergedLinear = <M extends Network>(adapted: Adapted<M>): Linear => {
  const merged = new Map(adapted.sites.map((site) => [site.name, adapted.merged(site, adapted.trainable)]))
  return (site, x) => {
    const W = merged.get(site.name)
    const bias = site.bias === false ? null : (adapted.model.weights(`${site.name}.bias`) as tf.Tensor1D)
    return W === undefined ? frozen(adapted.model)(site, x) : denseLinear(x, W, bias)
  }
}
