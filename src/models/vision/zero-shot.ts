/**
 * CLIP's own head: a label's weights are what the text tower makes of prompts with it, one a template.
 *
 *   w_c = unit(mean over templates of unit(text(template with c)))        logits = exp(logit_scale)·unit(image)·wᵀ
 *
 * as in OpenAI's notebook "Prompt Engineering for ImageNet". There is nothing to learn but adapters: of the tower of images over weights
 * that are made once, or of both towers, and then the prompts go through the text tower in every forward pass.
 */
import type { Tensor2D, Tensor4D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { quoted } from "../../boundary/index.ts"
import type { Sources } from "../../hub/hub.ts"
import { denseLinear } from "../../kernels/index.ts"
import type { Linear, Weights } from "../../tensors/index.ts"
import { baseLinear } from "../base-layer.ts"
import { readJson } from "../checkpoint.ts"
import { type FolderDescription, type LoadFolderOptions, loadFolder, noHead, storedIn } from "../folder-model.ts"
import { unitRows } from "../head.ts"
import { loadTokenizer } from "../load.ts"
import { ModelError, normParameters, type RunBlock } from "../model.ts"
import { placeOf, WeightlessFolders } from "../source.ts"
import { clip } from "./clip.ts"
import { type ClipTextConfig, readClipText } from "./clip-config.ts"
import { encodeTexts, endOf, type TextTower, textsToDevice, textTowerOf } from "./clip-text.ts"
import type { ImageDescription, ImageModel } from "./image-model.ts"
import { imageSequences } from "./image-rows.ts"
import { imagesToDevice } from "./load-image.ts"
import { encodeImages, pooledImages, type Tower, towerOf, towerParameters, towerSites, towerStack } from "./tower.ts"

/** Labels and prompts of CLIP's zero-shot classifier. */
export interface ZeroShotOptions {
  /** class names in the order of the logits, spelled as in the prompts */
  readonly labels: ReadonlyArray<string>
  /** prompts with {} in place of the label */
  readonly templates: ReadonlyArray<string>
  /** towers that can be adapted */
  readonly towers: "vision" | "both"
}

/** Token ids of prompts: those of a label one after another, and each as long as it is. */
type Prompts = ReadonlyArray<ReadonlyArray<number>>

/** Description of a zero-shot classifier. */
export interface ZeroShotDescription extends ImageDescription {
  /** source of the classifier's weights */
  readonly zeroShot: {
    /** image tower */
    readonly tower: Tower
    /** text tower */
    readonly text: TextTower
    /** token ids of the prompts, label by label, without padding */
    readonly prompts: Prompts
    /** remarks on the prompts, a sentence each */
    readonly notes: ReadonlyArray<string>
    /** source of the text tower; null: the model includes it */
    readonly frozenText: FolderDescription | null
  }
}

/** transformers' default of CLIPTokenizer */
const PAD = "<|endoftext|>"

const LOGIT_SCALE = "logit_scale"
const PROJECTION = "visual_projection.weight"
const IMAGE_NORM = "vision_model.post_layernorm"

/** Describes the CLIPModel in a folder, or hf:owner/name. Fails with all problems at once. */
export const describeZeroShot = (
  source: string,
  { labels, templates, towers }: ZeroShotOptions
): Effect.Effect<ZeroShotDescription, ModelError, Sources> =>
  Effect.gen(function* () {
    const folder = yield* placeOf(source)
    const fail = (problems: ReadonlyArray<string>) => new ModelError({ folder, problems })
    const json = yield* readJson(folder, "config.json")
    const type = (json as { readonly model_type?: unknown } | null)?.model_type
    if (type !== clip.name) {
      const observation = type === undefined ? "is missing" : quoted(type)
      return yield* fail([
        `config.json: model_type ${observation}; expected "${clip.name}", whose text tower computes the weights of labels`
      ])
    }
    const [images, texts] = [clip.open(json), readClipText(json)]
    if (Result.isFailure(images) || Result.isFailure(texts)) {
      return yield* fail(failuresOf(images, texts).flat())
    }
    const config = images.success
    const tower = towerOf(clip, config)
    const text = textTowerOf(texts.success)
    const ofImages = [
      ...towerParameters(tower),
      ...normParameters(IMAGE_NORM, config.hiddenSize),
      { name: PROJECTION, shape: [text.config.projection, config.hiddenSize] },
      { name: LOGIT_SCALE, shape: [] }
    ]
    const stored = yield* Effect.result(storedIn(folder, [...ofImages, ...text.parameters]))
    // judged by config.json alone, a folder need not have a tokenizer
    const prompts = yield* (yield* WeightlessFolders)
      ? Effect.succeed(
          Result.succeed<Pick<ZeroShotDescription["zeroShot"], "prompts" | "notes">>({ prompts: [], notes: [] })
        )
      : Effect.result(promptsOf(folder, text.config, { labels, templates }))
    if (Result.isFailure(stored) || Result.isFailure(prompts)) {
      return yield* fail(failuresOf(stored, prompts).flatMap(({ problems }) => problems))
    }
    const both = towers === "both"
    const only = (names: ReadonlyArray<{ readonly name: string }>) =>
      new Map(names.map(({ name }) => [name, stored.success.stored.get(name)!]))
    const shared = { folder, family: clip.name, head: noHead, prefix: "", exported, unusedTensors: [] }
    const parameters = both ? [...ofImages, ...text.parameters] : ofImages
    return {
      ...shared,
      sites: [...towerSites(tower), ...(both ? text.sites : [])],
      parameters,
      stored: only(parameters),
      unusedTensors: stored.success.unusedTensors,
      // with prompts there are two stacks in a forward pass
      stack: both ? undefined : { ...towerStack(tower), sequences: imageSequences(tower.positions) },
      labels,
      image: config.image,
      hiddenSize: config.hiddenSize,
      layers: config.layers,
      attentionHeads: config.attentionHeads,
      intermediateSize: config.intermediateSize,
      positions: tower.positions,
      zeroShot: {
        tower,
        text,
        ...prompts.success,
        frozenText: both
          ? null
          : { ...shared, sites: text.sites, parameters: text.parameters, stored: only(text.parameters) }
      }
    }
  })

const failuresOf = <E>(...results: ReadonlyArray<Result.Result<unknown, E>>): ReadonlyArray<E> =>
  results.flatMap((result) => (Result.isFailure(result) ? [result.failure] : []))

/** As transformers' CLIPModel, in which both towers are. */
const exported: ZeroShotDescription["exported"] = {
  // PEFT has no task for images
  task: null,
  nameOf: (name) => name,
  otherPrefix: "",
  modulesToSave: [],
  ownHead: false,
  inBase: new Set(),
  tiedTo: () => [],
  fanInFanOut: false
}

/** Fails over prompts that say nothing, that do not end, and that are the same for two labels. */
const promptsOf = (
  folder: string,
  config: ClipTextConfig,
  { labels, templates }: Pick<ZeroShotOptions, "labels" | "templates">
) =>
  Effect.gen(function* () {
    const { positions, vocabularySize, endOfText } = config
    const tokenizer = yield* loadTokenizer(folder, { vocabularySize, padToken: PAD })
    const nothing = tokenizer.encode("", positions).ids
    if (endOf(nothing, config) === undefined) {
      const problem = `tokenizer.json: ends texts with ${nothing.at(-1) ?? "no token"}, config.json: text_config.eos_token_id is ${endOfText}; one of them belongs to another model`
      return yield* new ModelError({ folder, problems: [problem] })
    }
    const problems: Array<string> = []
    const makers = new Map<string, string>()
    const cut: Array<string> = []
    const prompts = labels.flatMap((label) => {
      const prompts = templates.map((template) => {
        const text = template.replaceAll("{}", () => label)
        const { ids } = tokenizer.encode(text, positions + 1)
        if (ids.length === nothing.length) {
          problems.push(`the label ${quoted(label)} in the template ${quoted(template)} gives a prompt without words`)
        }
        if (ids.length <= positions) return ids
        cut.push(text)
        return tokenizer.encode(text, positions).ids
      })
      const key = prompts.join(";")
      const other = makers.get(key)
      if (other === undefined) makers.set(key, label)
      else {
        problems.push(
          `the labels ${quoted(other)} and ${quoted(label)} give the same prompts (case is ignored, and a prompt has at most ${positions} tokens), so the model cannot distinguish them: rename one of them`
        )
      }
      return prompts
    })
    if (problems.length > 0) return yield* new ModelError({ folder, problems })
    const note = `${cut.length} of ${prompts.length} prompts have more than ${positions} tokens and are truncated, such as ${quoted(cut[0])}`
    return { prompts, notes: cut.length === 0 ? [] : [note] }
  })

/** Prompts on the device; the caller owns the tensors. */
const promptsToDevice = (prompts: Prompts, config: ClipTextConfig) => {
  const [size, length] = [prompts.length, Math.max(...prompts.map((ids) => ids.length))]
  const inputIds = new Int32Array(size * length)
  // what comes after the end of a text is not read, so any token does for padding: its last, which is never higher than its end
  for (const [row, ids] of prompts.entries()) {
    inputIds.fill(ids.at(-1)!, row * length, (row + 1) * length)
    inputIds.set(ids, row * length)
  }
  return textsToDevice({ size, length, inputIds }, config)
}

/** Weights of labels [labels, width] from texts [labels·templates, width]. */
const labelWeights = (texts: Tensor2D, labels: number): Tensor2D =>
  tf.tidy(() => {
    const each = tf.reshape(unitRows(texts), [labels, texts.shape[0] / labels, texts.shape[1]])
    return unitRows(tf.mean<Tensor2D>(each, 1))
  })

/** Prompts that go through the text tower together where it is frozen. */
const TOGETHER = 64

/** The same from the tower as it is in the folder, which is on the device no longer than that. */
const frozenLabels = (
  { labels, zeroShot: { text, prompts } }: ZeroShotDescription,
  folder: FolderDescription
): Effect.Effect<Tensor2D, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.acquireRelease(
    Effect.scoped(
      Effect.gen(function* () {
        const model = yield* loadFolder(folder, { seed: 0 })
        const perLabel = prompts.length / labels.length
        const step = perLabel * Math.max(1, Math.floor(TOGETHER / perLabel))
        return tf.tidy(() => {
          const parts: Array<Tensor2D> = []
          for (let from = 0; from < prompts.length; from += step) {
            const part = prompts.slice(from, from + step)
            parts.push(
              tf.tidy(() => {
                const texts = encodeTexts(text, promptsToDevice(part, text.config), baseLinear(model), model.weights)
                return labelWeights(texts, part.length / perLabel)
              })
            )
          }
          return tf.keep(tf.concat(parts))
        })
      })
    ),
    (weights) => Effect.sync(() => weights.dispose())
  )

/** Loads the weights to the device for the lifetime of the scope. Requires an open device. */
export const loadZeroShot = (
  description: ZeroShotDescription,
  options: LoadFolderOptions
): Effect.Effect<ImageModel, ModelError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const { labels, image, zeroShot } = description
    const { text, prompts, frozenText } = zeroShot
    const weightsOf =
      frozenText === null
        ? yield* Effect.map(
            storedPrompts(prompts, text.config),
            (batch) =>
              (...[linear, weights, runBlock]: Pass) =>
                labelWeights(encodeTexts(text, batch, linear, weights, runBlock), labels.length)
          )
        : yield* Effect.map(frozenLabels(description, frozenText), (labels) => () => labels)
    return {
      ...description,
      ...(yield* loadFolder(description, options)),
      toDevice: imagesToDevice(image),
      forward: (images, ...pass) =>
        tf.tidy(() => zeroShotLogits(projectedImages(zeroShot, images, ...pass), weightsOf(...pass), pass[1]))
    }
  })

type Pass = readonly [linear: Linear, weights: Weights, runBlock?: RunBlock | undefined]

const storedPrompts = (prompts: Prompts, config: ClipTextConfig) =>
  Effect.acquireRelease(
    Effect.sync(() => promptsToDevice(prompts, config)),
    ({ ids, ends }) => Effect.sync(() => tf.dispose([ids, ends]))
  )

/** Computes the embedding of each image, not normalized: [size, projection]. */
export const projectedImages = (
  { tower }: Pick<ZeroShotDescription["zeroShot"], "tower">,
  images: Tensor4D,
  ...[linear, weights, runBlock]: Pass
): Tensor2D => {
  const hidden = encodeImages(tower, images, linear, weights, runBlock)
  const pooled = pooledImages(tower, { of: "class", norm: IMAGE_NORM }, hidden, weights)
  return denseLinear(pooled, weights(PROJECTION) as Tensor2D, null)
}

/** Computes logits [size, classes] from images [size, width], not normalized, and labels [classes, width] of length 1. */
export const zeroShotLogits = (images: Tensor2D, labels: Tensor2D, weights: Weights): Tensor2D =>
  tf.mul(tf.matMul(unitRows(images), labels, false, true), tf.exp(weights(LOGIT_SCALE)))
