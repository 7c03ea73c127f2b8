/**
 * A tower of images: patches under a linear map, a class token before them, learned positions, and blocks with norms before.
 *
 *   h₀ = [class; W·patch₁ + b; W·patch₂ + b; …] + positions        then `../transformer-block.ts`
 *
 * A patch is the pixels of a P×P square, and a convolution whose strides are its kernel's sides is a linear map of them. Images are
 * [size, height, width, 3]; hidden states are [size·positions, hidden]. What is beyond the last whole patch is not read, as in a
 * convolution without padding.
 */
import type { Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import { attention, denseLinear } from "../../kernels/index.ts"
import type { Linear, LinearSite, Weights } from "../../tensors/index.ts"
import { firstToken } from "../head.ts"
import { normParameters, type ParameterSpec, type RunBlock, runOnce, type Stack } from "../model.ts"
import { type Norm, normalized, type TransformerBlock, transformerBlock } from "../transformer-block.ts"
import { CLASSIFIER, type ImageConfig, type ImageFamily, type ImagePooling, type TowerNames } from "./image-family.ts"

/** An image tower without its weights. */
export interface Tower {
  /** names of its parameters */
  readonly names: TowerNames
  /** sizes of images, patches and hidden states */
  readonly config: ImageConfig
  /** blocks in order */
  readonly blocks: ReadonlyArray<TransformerBlock>
  /** number of positions: patches and the class token */
  readonly positions: number
}

const CHANNELS = 3

/** How many patches are below each other, and beside each other. */
const gridOf = ({ image, patch }: ImageConfig) =>
  ({ rows: Math.floor(image.height / patch.height), columns: Math.floor(image.width / patch.width) }) as const

/** Creates the tower of a family at the sizes of a config. */
export const towerOf = ({ tower: names }: ImageFamily, config: ImageConfig): Tower => {
  const { rows, columns } = gridOf(config)
  const form = { ...config, norms: "before" } as const
  const blocks = Array.from({ length: config.layers }, (_, layer) => transformerBlock(form, names.block(layer)))
  return { names, config, blocks, positions: rows * columns + 1 }
}

/** Returns the linear layers of the blocks in forward order, without the patch embedding, which PEFT treats as a convolution. */
export const towerSites = ({ blocks }: Tower): ReadonlyArray<LinearSite> => blocks.flatMap(({ sites }) => sites)

/** Returns the parameters that `encodeImages` reads. */
export const towerParameters = ({ names, config, blocks, positions }: Tower): ReadonlyArray<ParameterSpec> => {
  const { hiddenSize, patch } = config
  const { module, bias } = names.patches
  return [
    { name: names.classToken.name, shape: names.classToken.shape(hiddenSize) },
    { name: `${module}.weight`, shape: [hiddenSize, CHANNELS, patch.height, patch.width] },
    ...(bias ? [{ name: `${module}.bias`, shape: [hiddenSize] }] : []),
    { name: names.positions.name, shape: names.positions.shape(positions, hiddenSize) },
    ...(names.normBefore === null ? [] : normParameters(names.normBefore, hiddenSize)),
    ...blocks.flatMap(({ parameters }) => parameters)
  ]
}

/** Returns the blocks of the forward pass. */
export const towerStack = ({ config, blocks }: Tower): Omit<Stack, "sequences"> => ({
  blocks: blocks.map(({ parameters }) => parameters.map(({ name }) => name)),
  width: config.hiddenSize
})

const normOf = ({ normEpsilon }: ImageConfig, name: string): Norm => ({ name, epsilon: normEpsilon, bias: true })

/** Patches of images, row by row of an image, as rows of their pixels: [size·patches, P·P·3]. */
const patchRows = (config: ImageConfig, images: Tensor4D): Tensor2D => {
  const { rows, columns } = gridOf(config)
  const { height, width } = config.patch
  const size = images.shape[0]
  const whole = tf.slice(images, [0, 0, 0, 0], [size, rows * height, columns * width, CHANNELS])
  // an image's line of a patch lies together already
  const lines = tf.reshape(whole, [size * rows, height, columns, width * CHANNELS])
  return tf.reshape(tf.transpose(lines, [0, 2, 1, 3]), [size * rows * columns, height * width * CHANNELS])
}

/** Computes h₀ [size·positions, hidden]. */
export const embedImages = ({ names, config, positions }: Tower, images: Tensor4D, weights: Weights): Tensor2D =>
  tf.tidy(() => {
    const { hiddenSize, patch } = config
    const size = images.shape[0]
    const { module, bias } = names.patches
    // the checkpoint has channels first, [hidden, 3, P, P]
    const kernel = tf.transpose(weights(`${module}.weight`) as Tensor4D, [0, 2, 3, 1])
    const W = tf.reshape(kernel, [hiddenSize, patch.height * patch.width * CHANNELS]) as Tensor2D
    const mapped = denseLinear(patchRows(config, images), W, bias ? (weights(`${module}.bias`) as Tensor1D) : null)
    const token = tf.tile(tf.reshape(weights(names.classToken.name), [1, 1, hiddenSize]), [size, 1, 1])
    const sequences = tf.concat([token, tf.reshape(mapped, [size, positions - 1, hiddenSize])], 1)
    const table = tf.reshape(weights(names.positions.name), [1, positions, hiddenSize])
    const h = tf.reshape(tf.add(sequences, table), [size * positions, hiddenSize]) as Tensor2D
    return names.normBefore === null ? h : normalized(h, null, normOf(config, names.normBefore), weights)
  })

/** Computes the last hidden states [size·positions, hidden], before any final norm. */
export const encodeImages = (
  tower: Tower,
  images: Tensor4D,
  linear: Linear,
  weights: Weights,
  runBlock: RunBlock = runOnce
): Tensor2D => {
  const { config, blocks } = tower
  const shape = { batch: images.shape[0], heads: config.attentionHeads }
  return blocks.reduce<Tensor2D>(
    (before, block) =>
      runBlock((h) => block.run(h, (q, k, v) => attention({ q, k, v, ...shape }), linear, weights), before),
    embedImages(tower, images, weights)
  )
}

/** Pools the hidden states of each image: [size·positions, hidden] → [size, hidden]. */
export const pooledImages = (
  { config, positions }: Tower,
  pooling: ImagePooling,
  h: Tensor2D,
  weights: Weights
): Tensor2D => {
  const [width, size] = [config.hiddenSize, h.shape[0] / positions]
  // a norm sees each token by itself, so that of the class tokens is enough
  if (pooling.of === "class") return normalized(firstToken(h, size), null, normOf(config, pooling.norm), weights)
  const patches = tf.slice(tf.reshape(h, [size, positions, width]), [0, 1, 0], [size, positions - 1, width])
  return tf.mean(patches, 1)
}

/** Computes logits [size, classes]. */
export const classified = (pooled: Tensor2D, weights: Weights): Tensor2D =>
  denseLinear(pooled, weights(`${CLASSIFIER}.weight`) as Tensor2D, weights(`${CLASSIFIER}.bias`) as Tensor1D)
