/**
 * What distinguishes one family of models of images from another: how its config is spelled, its parameters' names, and what the
 * classifier of transformers' own class sees. Everything else is shared (`tower.ts`).
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ProcessorName } from "../../images/index.ts"
import { ActivationName, activations, Count, Epsilon, Layers, type Normalized, withDefault } from "../config-reader.ts"
import type { BlockForm, BlockNames } from "../transformer-block.ts"

/** Sizes of a tower's blocks, of images or of texts. */
export interface TowerSizes extends Omit<BlockForm, "norms"> {
  /** number of heads per attention */
  readonly attentionHeads: number
}

/** Settings of an image tower from its config.json, under the same names for all families. */
export interface ImageConfig extends TowerSizes {
  /** number of blocks */
  readonly layers: number
  /** size of an image, in pixels */
  readonly image: Extent
  /** size of a patch, in pixels */
  readonly patch: Extent
  /** class names by index, empty if the checkpoint has none */
  readonly labels: ReadonlyArray<string>
}

/** Rows and columns, in pixels or in patches. */
export interface Extent {
  /** rows */
  readonly height: number
  /** columns */
  readonly width: number
}

/** Names of parameters and modules outside the blocks. */
export interface TowerNames {
  readonly classToken: { readonly name: string; readonly shape: (hidden: number) => ReadonlyArray<number> }
  /** convolution over patches */
  readonly patches: { readonly module: string; readonly bias: boolean }
  readonly positions: {
    readonly name: string
    readonly shape: (positions: number, hidden: number) => ReadonlyArray<number>
  }
  /** norm before the first block; null: none */
  readonly normBefore: string | null
  readonly block: (layer: number) => BlockNames
}

/** Input of a classifier: the class token's last hidden state after a norm, or the mean of the patches' last hidden states without one. */
export type ImagePooling = { readonly of: "class"; readonly norm: string } | { readonly of: "patches" }

/** An image model family: how its config.json is read, the names of its parameters, and the input of its classifier. */
export interface ImageFamily {
  /** `model_type` of config.json */
  readonly name: string
  /** transformers class that loads a classifier */
  readonly className: string
  /** whether transformers.js's pipeline for images supports that class */
  readonly inPipeline: boolean
  /** transformers class that prepares images if preprocessor_config.json names none */
  readonly processor: ProcessorName
  /** prefix of the backbone's names in that class */
  readonly prefix: string
  /** Returns the settings in a config.json, or all its problems. */
  readonly open: (json: unknown) => Result.Result<ImageConfig, ReadonlyArray<string>>
  /** names of its parameters outside the blocks */
  readonly tower: TowerNames
  /** input of the classifier */
  readonly pooling: ImagePooling
  /** Returns the names that a parameter of that class may have in a file, most likely first. */
  readonly storedNames: (name: string) => ReadonlyArray<string>
  /** Returns the current name of a module or parameter from its name in adapters for older classes; both without `prefix`. */
  readonly currentName: (name: string) => string
}

/** Name of the classifier, outside of the backbone in every class. */
export const CLASSIFIER = "classifier"

/** A side of an image is a number of pixels that a processor can be asked for. */
const Side = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 8_192 }))
const Sides = Schema.Union([Side, Schema.Tuple([Side, Side])])

/** Fields of an image tower, with the defaults that transformers' configs share. */
export const towerFields = {
  hidden_size: withDefault(Count, 768),
  num_hidden_layers: withDefault(Layers, 12),
  num_attention_heads: withDefault(Count, 12),
  intermediate_size: withDefault(Count, 3072),
  image_size: withDefault(Sides, 224),
  // what this package reads of images has three
  num_channels: withDefault(Schema.Literal(3), 3),
  hidden_act: ActivationName,
  layer_norm_eps: Epsilon,
  patch_size: Sides
} as const

const extent = (sides: typeof Sides.Type): Extent => {
  const [height, width] = typeof sides === "number" ? [sides, sides] : sides
  return { height, width }
}

const TowerFile = Schema.Struct(towerFields)

/** Converts the fields to common names. `at`: their path in config.json, with a dot after it. */
export const towerConfig = (
  file: typeof TowerFile.Type,
  { bias, labels, at = "" }: Pick<ImageConfig, "bias" | "labels"> & { readonly at?: string }
): Normalized<ImageConfig> => {
  const config: ImageConfig = {
    hiddenSize: file.hidden_size,
    layers: file.num_hidden_layers,
    attentionHeads: file.num_attention_heads,
    intermediateSize: file.intermediate_size,
    normEpsilon: file.layer_norm_eps,
    activation: activations[file.hidden_act],
    ...(bias === undefined ? {} : { bias }),
    image: extent(file.image_size),
    patch: extent(file.patch_size),
    labels
  }
  const { hiddenSize, attentionHeads, image, patch } = config
  return {
    config,
    problems: [
      ...(hiddenSize % attentionHeads === 0
        ? []
        : [`config.json: ${at}hidden_size ${hiddenSize} is not a multiple of its ${attentionHeads} attention heads`]),
      ...(patch.height <= image.height && patch.width <= image.width
        ? []
        : [
            `config.json: ${at}patch_size ${patch.height}×${patch.width} is larger than image_size ${image.height}×${image.width}`
          ])
    ]
  }
}
