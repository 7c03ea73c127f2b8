/**
 * From a model's source to an `ImageDescription`: config and headers are read, weights are not. All that is wrong is reported at once.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Sources } from "../../hub/hub.ts"
import { readFamily, readHeaders } from "../checkpoint.ts"
import { type NewHead, storedIn } from "../folder-model.ts"
import type { HeadInit } from "../head.ts"
import { labelsOf } from "../labels.ts"
import { linearParameters, ModelError, normParameters } from "../model.ts"
import { placeOf } from "../source.ts"
import { imageFamilies } from "./families.ts"
import { CLASSIFIER, type ImageConfig, type ImageFamily } from "./image-family.ts"
import type { ImageDescription } from "./image-model.ts"
import { imageSequences } from "./image-rows.ts"
import { type Tower, towerOf, towerParameters, towerSites, towerStack } from "./tower.ts"

/** Options of a classifier of images. */
export interface ImageOptions {
  /** initialization of the classifier's weights: random with standard deviation 0.02 ("new"), 0, or the checkpoint's */
  readonly head: HeadInit
  /** class names in the order of the logits; default: the checkpoint's own `id2label` */
  readonly labels?: ReadonlyArray<string> | undefined
}

/** A described classifier with its tower. */
export interface DescribedImageModel extends ImageDescription {
  /** family, which defines the format of the config and the parameter names */
  readonly imageFamily: ImageFamily
  /** its transformer, without weights */
  readonly tower: Tower
}

/** Describes the image classifier in a folder, or hf:owner/name. */
export const describeImageModel = (
  source: string,
  { head: start, labels: planned }: ImageOptions
): Effect.Effect<DescribedImageModel, ModelError, Sources> =>
  Effect.gen(function* () {
    const folder = yield* placeOf(source)
    const { family, config } = yield* readFamily<ImageConfig, ImageFamily>(folder, imageFamilies)
    const tower = towerOf(family, config)
    const inFile = (yield* readHeaders(folder)).get(`${CLASSIFIER}.weight`)?.shape[0]
    const classes = start === "checkpoint" ? inFile : null
    const { labels, problems } = labelsOf({ planned, stored: config.labels, classes })
    const head = headOf(config, labels.length, start)
    const parameters = [
      ...towerParameters(tower),
      ...(family.pooling.of === "class" ? normParameters(family.pooling.norm, config.hiddenSize) : [])
    ]
    const ofHead = head.parameters.filter(({ name }) => head.inCheckpoint.has(name))
    const located = yield* Effect.result(storedIn(folder, [...parameters, ...ofHead], family.storedNames))
    const all = [...problems, ...(Result.isFailure(located) ? located.failure.problems : [])]
    if (Result.isFailure(located) || all.length > 0) return yield* new ModelError({ folder, problems: all })
    return {
      folder,
      family: family.name,
      imageFamily: family,
      tower,
      sites: towerSites(tower),
      parameters,
      stack: { ...towerStack(tower), sequences: imageSequences(tower.positions) },
      head,
      labels,
      image: config.image,
      hiddenSize: config.hiddenSize,
      layers: config.layers,
      attentionHeads: config.attentionHeads,
      intermediateSize: config.intermediateSize,
      positions: tower.positions,
      prefix: family.prefix,
      exported: {
        // PEFT has no task for images
        task: null,
        nameOf: (name) => (isOfClassifier(name) ? name : family.prefix + name),
        otherPrefix: family.prefix,
        modulesToSave: [CLASSIFIER],
        ownHead: false,
        inBase: head.inCheckpoint,
        tiedTo: () => [],
        fanInFanOut: false
      },
      ...located.success
    }
  })

const isOfClassifier = (name: string): boolean => name === CLASSIFIER || name.startsWith(`${CLASSIFIER}.`)

const headOf = ({ hiddenSize }: ImageConfig, classes: number, start: HeadInit): NewHead => {
  const parameters = linearParameters({ name: CLASSIFIER, kind: "dense", out: classes, in: hiddenSize })
  return {
    parameters,
    inCheckpoint: new Set(start === "checkpoint" ? parameters.map(({ name }) => name) : []),
    start: start === "zeros" ? "zeros" : "normal"
  }
}
