/**
 * Which trained tensor is stored under which name and in which shape: PEFT 0.21's, so that a torch module of the same
 * layer names takes the file.
 *
 *   dense       <layer>.lora_A.weight [r, in]           .lora_B.weight [out, r]
 *   Conv2D      <layer>.lora_A.weight [r, in, kh, kw]   .lora_B.weight [out, r, 1, 1]
 *   Conv1D      <layer>.lora_A.weight [r, in, k]        .lora_B.weight [out, r, 1]
 *   embedding   <layer>.lora_embedding_A [r, rows]      .lora_embedding_B [width, r]
 *   head, modules to save, and all of method "full": <parameter>, weights [out, in] or [out, in, kh, kw]
 *
 * A patch has its channels last, torch's kernels have them first: the axes are exchanged on the way.
 */
import * as tf from "@tensorflow/tfjs-core"
import type { Adapted, PeftLayout, SitePart } from "../../adapters/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"
import { sharedUnit } from "../output/peft/layout.ts"
import { type DenseParameter, type LinearSite, restoredFrom, type Trainable } from "../tensors/index.ts"

export const START = "base_model.model."

export interface StoredPlace {
  readonly name: string
  readonly shape: ReadonlyArray<number>
}

/** Tensors that are stored together: those of one site, or one that is trained itself. */
interface Unit {
  readonly places: ReadonlyArray<StoredPlace>
  /** Tensor code: in the order of `places`. */
  readonly stored: () => ReadonlyArray<tf.Tensor>
  /** Tensor code. */
  readonly restored: (tensors: ReadonlyArray<tf.Tensor>) => Trainable
}

/** How one tensor looks in the file. */
interface Form {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  readonly stored: (held: tf.Tensor) => tf.Tensor
  readonly held: (stored: tf.Tensor) => tf.Tensor
}

const asHeld = (name: string, shape: ReadonlyArray<number>): Form => ({
  name,
  shape,
  stored: (held) => held,
  held: (stored) => stored
})

const reshaped = (name: string, held: ReadonlyArray<number>, shape: ReadonlyArray<number>): Form => ({
  name,
  shape,
  stored: (tensor) => tf.reshape(tensor, [...shape]),
  held: (tensor) => tf.reshape(tensor, [...held])
})

/** [rows, window · channels] as [rows, channels, ...window]. */
const channelsFirst = (name: string, rows: number, { window, channels }: Kernel): Form => {
  const patches = [rows, ...window, channels]
  const last = patches.length - 1
  const axes = window.map((_, i) => i + 1)
  return {
    name,
    shape: [rows, channels, ...window],
    stored: (held) => tf.transpose(tf.reshape(held, patches), [0, last, ...axes]),
    held: (stored) =>
      tf.reshape(tf.transpose(stored, [0, ...axes.map((axis) => axis + 1), 1]), [rows, stored.size / rows])
  }
}

/** What a convolution's kernel spans. */
interface Kernel {
  readonly window: ReadonlyArray<number>
  readonly channels: number
}

/** The convolution kernel of a weight [out, window · channels], or undefined where it is not a convolution's. */
const kernelOf = ({ layerParameters }: LayersNetwork, weight: string): Kernel | undefined => {
  const parameter = layerParameters.find(({ name }) => name === weight)
  const layerShape = parameter?.layer.weights[parameter.index]?.shape as ReadonlyArray<number> | undefined
  if (parameter === undefined || layerShape === undefined || layerShape.length < 3 || parameter.shape.length !== 2)
    return undefined
  const [window, channels, out] = [layerShape.slice(0, -2), layerShape.at(-2)!, layerShape.at(-1)!]
  const columns = window.reduce((product, n) => product * n, channels)
  return out === parameter.shape[0] && columns === parameter.shape[1] ? { window, channels } : undefined
}

/** [rows, window · channels] as [rows, channels · window]. */
const columnsFirst = (name: string, rows: number, kernel: Kernel): Form => {
  const { shape, stored, held } = channelsFirst(name, rows, kernel)
  const columns = shape.reduce((product, n) => product * n) / rows
  return {
    name,
    shape: [rows, columns],
    stored: (tensor) => tf.reshape(stored(tensor), [rows, columns]),
    held: (tensor) => held(tf.reshape(tensor, [...shape]))
  }
}

/** A site's tensor under PEFT's name for linear layers, as it is called and shaped at this site. */
const siteForm = (
  network: LayersNetwork,
  { atConvolution = {} }: PeftLayout<unknown>,
  { name: site, kind }: LinearSite,
  name: string,
  shape: ReadonlyArray<number>
): Form => {
  const embedding = /^lora_([AB])\.weight$/.exec(name)
  if (kind === "embedding" && embedding !== null) return asHeld(`lora_embedding_${embedding[1]}`, shape)
  const kernel = kind === "conv" ? kernelOf(network, `${site}.weight`) : undefined
  if (kernel === undefined) return asHeld(name, shape)
  const ones = kernel.window.map(() => 1)
  switch (atConvolution[name]) {
    case "kernel":
      return channelsFirst(name, shape[0]!, kernel)
    case "columns":
      return columnsFirst(name, shape[0]!, kernel)
    case "ones":
      return reshaped(name, shape, [...shape, ...ones])
    case "vector":
      return reshaped(name, shape, [1, ...shape, ...ones])
    default:
      return asHeld(name, shape)
  }
}

const siteUnit = (network: LayersNetwork, layout: PeftLayout<unknown>, part: SitePart<unknown>): Unit => {
  const shapes = Object.entries(layout.shapes(part))
  const forms = shapes.map(([name, shape]) => siteForm(network, layout, part.site, name, shape))
  return {
    places: forms.map(({ name, shape }) => ({ name: `${START}${part.site.name}.${name}`, shape })),
    stored: () => {
      const held = layout.stored(part)
      return forms.map((form, i) => form.stored(held[shapes[i]![0]]!))
    },
    restored: (tensors) => {
      const held = tensors.map((tensor, i) => [shapes[i]![0], forms[i]!.held(tensor)] as const)
      return layout.restored(part, Object.fromEntries(held))
    }
  }
}

const denseUnit = (network: LayersNetwork, start: string, parameter: DenseParameter): Unit => {
  const { name, value } = parameter
  const kernel = kernelOf(network, name)
  const form = kernel === undefined ? asHeld(name, value.shape) : channelsFirst(name, value.shape[0]!, kernel)
  return {
    places: [{ name: start + name, shape: form.shape }],
    stored: () => [form.stored(value)],
    restored: ([tensor]) => ({ pairs: [], dense: [{ ...parameter, value: form.held(tensor!) }] })
  }
}

/** All that is stored, in the order of the tree. */
const unitsOf = (adapted: Adapted<LayersNetwork>): ReadonlyArray<Unit> => {
  const { model, trainable } = adapted
  const { layout } = adapted.method.peft
  const parts = layout === null ? [] : adapted.parts(trainable)
  const owned = new Set(parts.flatMap(({ part }) => part.dense.map(({ name }) => name)))
  const dense = trainable.dense.filter(({ name }) => !owned.has(name))
  return [
    ...parts.map((part) => siteUnit(model, layout!, part)),
    ...(layout === null || parts.length === 0 ? [] : [sharedUnit(trainable, layout.shared)]),
    ...dense.map((parameter) => denseUnit(model, layout === null ? "" : START, parameter))
  ]
}

export const storedPlaces = (adapted: Adapted<LayersNetwork>): ReadonlyArray<StoredPlace> =>
  unitsOf(adapted).flatMap(({ places }) => places)

/** Returns the stored tensors, in the order of `storedPlaces`. Tensor code. */
export const storedTensors = (adapted: Adapted<LayersNetwork>): ReadonlyArray<tf.Tensor> =>
  unitsOf(adapted).flatMap(({ stored }) => stored())

/** Returns the parameters of which `tensors` are stored at `storedPlaces`. Tensor code. */
export const restoredTree = (adapted: Adapted<LayersNetwork>, tensors: ReadonlyArray<tf.Tensor>): Trainable =>
  restoredFrom(unitsOf(adapted), tensors)
