/**
 * Maps trained tensors to files and names, for both saving and restoring.
 *
 *   adapter_model.safetensors   base_model.model.<module>.<PEFT's name>, e.g. lora_A.weight [r, in]; modules to save under their own
 *                               names                                     (methods that PEFT knows)
 *   head.safetensors            weight [classes, hidden], bias [classes]  (a head over mean pooling, which no transformers class has)
 *   trained.safetensors         whatever else is trained itself, under the checkpoint's names
 */
import type { Tensor, Tensor2D } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import type { Adapted, PeftLayout, SitePart, SiteTensors } from "../../../adapters/index.ts"
import type { ExportedModel } from "../../models/index.ts"
import type { HostTensor } from "../../safetensors/index.ts"
import { type DenseParameter, restoredFrom, type Trainable } from "../../tensors/index.ts"

export type AdapterFile = "adapter_model.safetensors" | "head.safetensors" | "trained.safetensors"

/** Stored parts of an adapted model. */
export type StoredAdapted = Pick<Adapted, "method" | "trainable" | "parts"> & {
  /** the model whose tensor names apply */
  readonly model: ExportedModel
}

/** Location of a stored tensor. */
export interface Place {
  readonly file: AdapterFile
  readonly name: string
  readonly shape: ReadonlyArray<number>
}

/** Tensors that are stored together: those of one site, or one that is trained as a whole. */
interface Unit {
  readonly places: ReadonlyArray<Place>
  /** Returns the tensors in the order of `places`. Tensor code. */
  readonly stored: () => ReadonlyArray<Tensor>
  /** Returns the part of the tree that was stored. Tensor code. */
  readonly restored: (tensors: ReadonlyArray<Tensor>) => Trainable
}

const siteUnit = (adapted: StoredAdapted, layout: PeftLayout<unknown>, part: SitePart<unknown>): Unit => {
  const shapes = layout.shapes(part)
  const names = Object.keys(shapes)
  const module = adapted.model.exported.nameOf(part.site.name)
  return {
    places: names.map((name) => ({
      file: "adapter_model.safetensors",
      name: `base_model.model.${module}.${name}`,
      shape: shapes[name]!
    })),
    stored: () => {
      const tensors = layout.stored(part)
      return names.map((name) => tensors[name]!)
    },
    restored: (tensors) => layout.restored(part, Object.fromEntries(names.map((name, i) => [name, tensors[i]!])))
  }
}

/** Converts a tensor trained as a whole to its class's layout: GPT-2's linear weights are [in, out] there. */
const denseTensor = (model: ExportedModel, parameter: DenseParameter) => {
  const { name, value } = parameter
  const turned = model.exported.fanInFanOut && model.sites.some((site) => `${site.name}.weight` === name)
  return {
    shape: turned ? [...value.shape].reverse() : value.shape,
    /** Tensor code, as `restored`. */
    stored: (): Tensor => (turned ? tf.transpose(value) : value),
    restored: (tensor: Tensor): DenseParameter => ({ ...parameter, value: turned ? tf.transpose(tensor) : tensor })
  }
}

/** Returns the unit of a site of a method that PEFT does not support. Includes its frozen tensors. */
const foreignUnit = ({ model }: StoredAdapted, { site, part }: SitePart<unknown>): Unit => {
  const file = "trained.safetensors"
  const module = model.exported.nameOf(site.name)
  const { pairs, dense, frozen = [] } = part
  const placed = (tensor: Tensor, name: string) => ({ file, name: `${module}.${name}`, tensor }) as const
  const factors = pairs.flatMap(({ A, B }, i) => {
    const number = pairs.length === 1 ? "" : `.${i}`
    return [placed(A, `lora_A${number}.weight`), placed(B, `lora_B${number}.weight`)]
  })
  const factorTensors = [...factors, ...frozen.map((tensor, i) => placed(tensor, `frozen.${i}`))]
  const values = dense.map((parameter) => denseTensor(model, parameter))
  return {
    places: [
      ...factorTensors.map(({ file, name, tensor }) => ({ file, name, shape: tensor.shape })),
      ...dense.map(({ name }, i) => ({ file, name: model.exported.nameOf(name), shape: values[i]!.shape }) as const)
    ],
    stored: () => [...factorTensors.map(({ tensor }) => tensor), ...values.map(({ stored }) => stored())],
    restored: (tensors) => {
      const rest = [...tensors]
      return {
        pairs: pairs.map((pair) => ({ ...pair, A: rest.shift() as Tensor2D, B: rest.shift() as Tensor2D })),
        frozen: rest.splice(0, frozen.length),
        dense: values.map(({ restored }) => restored(rest.shift()!))
      }
    }
  }
}

/** Returns the tensors that all sites share, under PEFT's names. */
export const sharedUnit = ({ shared = [] }: Trainable, names: ReadonlyArray<string>): Unit => ({
  places: names.map((name, i) => ({
    file: "adapter_model.safetensors",
    name: `base_model.${name}`,
    shape: shared[i]!.shape
  })),
  stored: () => shared,
  restored: (tensors) => ({ pairs: [], dense: [], shared: tensors })
})

/** Returns the unit of a head, or of a module to save. */
const denseUnit = ({ model, method }: StoredAdapted, parameter: DenseParameter): Unit => {
  const { name, role } = parameter
  const { shape, stored, restored } = denseTensor(model, parameter)
  const copies = method.peft.layout === null ? [] : model.exported.tiedTo(name)
  const place = (): Place => {
    if (role === "head" && model.exported.ownHead)
      return { file: "head.safetensors", name: name.slice(name.lastIndexOf(".") + 1), shape }
    const exported = model.exported.nameOf(name)
    return method.peft.layout === null
      ? { file: "trained.safetensors", name: exported, shape }
      : { file: "adapter_model.safetensors", name: `base_model.model.${exported}`, shape }
  }
  return {
    places: [
      place(),
      ...copies.map((copy) => ({ file: "adapter_model.safetensors", name: `base_model.model.${copy}`, shape }) as const)
    ],
    stored: () => [stored(), ...copies.map(stored)],
    restored: ([tensor]) => ({ pairs: [], dense: [restored(tensor!)] })
  }
}

/** Returns all stored units of an adapted model, in the order of its tree. */
const unitsOf = (adapted: StoredAdapted): ReadonlyArray<Unit> => {
  const { layout } = adapted.method.peft
  const parts = adapted.parts(adapted.trainable)
  const siteDense = new Set(parts.flatMap(({ part }) => part.dense.map(({ name }) => name)))
  return [
    ...parts.map((part) => (layout === null ? foreignUnit(adapted, part) : siteUnit(adapted, layout, part))),
    ...(layout === null || parts.length === 0 ? [] : [sharedUnit(adapted.trainable, layout.shared)]),
    ...adapted.trainable.dense
      .filter(({ name }) => !siteDense.has(name))
      .map((parameter) => denseUnit(adapted, parameter))
  ]
}

export const placesOf = (adapted: StoredAdapted): ReadonlyArray<Place> =>
  unitsOf(adapted).flatMap(({ places }) => places)

/** Returns the tensors to store, in the order of `placesOf`. Tensor code. */
export const storedTensors = (adapted: StoredAdapted): ReadonlyArray<Tensor> =>
  unitsOf(adapted).flatMap(({ stored }) => stored())

/** Returns the tree whose stored tensors are `tensors`, in the order of `placesOf`. Tensor code. */
export const restoredTrainable = (adapted: StoredAdapted, tensors: ReadonlyArray<Tensor>): Trainable =>
  restoredFrom(unitsOf(adapted), tensors)

/** Returns the tensors of one site from a file's content, by PEFT's names. */
export const siteTensorsIn = <T>(
  adapted: StoredAdapted,
  site: string,
  content: Readonly<Record<string, T>>
): SiteTensors<T> => {
  const start = `base_model.model.${adapted.model.exported.nameOf(site)}.`
  return Object.fromEntries(
    Object.entries(content).flatMap(([name, value]) =>
      name.startsWith(start) ? [[name.slice(start.length), value]] : []
    )
  )
}

/** Tensors by their names in a file. */
type Content = Readonly<Record<string, HostTensor>>

type Files = NonNullable<PeftLayout<unknown>["files"]>
type Change = (files: Files, part: SitePart<unknown>, siteTensors: SiteTensors<HostTensor>) => SiteTensors<HostTensor>

/** Converts the tensors of each site, if a format's files contain fewer values than are stored (AdaLoRA: no triplets without a λ). */
const changed = (adapted: StoredAdapted, content: Content, change: Change): Content => {
  const files = adapted.method.peft.layout?.files
  if (files === undefined) return content
  const sites = adapted.parts(adapted.trainable).flatMap((part) => {
    const tensors = siteTensorsIn(adapted, part.site.name, content)
    if (Object.keys(tensors).length === 0) return [] // another file, or a site that is missing
    const module = `base_model.model.${adapted.model.exported.nameOf(part.site.name)}`
    return Object.entries(change(files, part, tensors)).map(([name, tensor]) => [`${module}.${name}`, tensor] as const)
  })
  return { ...content, ...Object.fromEntries(sites) }
}

/** Converts stored tensors to the content of adapter_model.safetensors. */
export const peftContent = (adapted: StoredAdapted, stored: Content): Content =>
  changed(adapted, stored, ({ written }, _, siteTensors) => written(siteTensors))

/** Converts the content of adapter_model.safetensors to stored tensors. */
export const storedContent = (adapted: StoredAdapted, content: Content): Content =>
  changed(adapted, content, ({ read }, part, siteTensors) => read(part, siteTensors))
