/**
 * Starts a model from an external adapter: replaces the initial values of `adapted` with those in a PEFT folder.
 *
 * If the folder has no head, or one for other classes, the head keeps its initial values; `left` names its parameters, except those that the base
 * has. LoRA on a layer of the head, which is trained as a whole here, is added to its weight.
 */
import type { Tensor } from "@tensorflow/tfjs-core"
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { SiteTensors } from "../../../adapters/index.ts"
import { bareName, type PeftAdapter, PeftError } from "../../peft/index.ts"
import { type HostTensor, readStored, type SafetensorsError, type StoredTensor } from "../../safetensors/index.ts"
import { type Found, putInPlace } from "../adapter-folder.ts"
import { type Place, placesOf, type StoredAdapted, storedContent } from "./layout.ts"

/** Result of starting from an external adapter. */
export interface Started {
  /** names of the head's parameters that neither the adapter nor the base contains */
  readonly left: ReadonlyArray<string>
  /** whether the head comes from the adapter */
  readonly head: boolean
}

const sameShape = (a: ReadonlyArray<number>, b: ReadonlyArray<number>) => tf.util.arraysEqual([...a], [...b])

/** Returns the parameters of the head by the names of their places. */
const headPlaces = ({ model, trainable }: StoredAdapted): ReadonlyMap<string, string> => {
  const names = trainable.dense.filter(({ role }) => role === "head").map(({ name }) => name)
  return new Map(
    names.flatMap((name) => [
      [`base_model.model.${model.exported.nameOf(name)}`, name],
      [name.slice(name.lastIndexOf(".") + 1), name] // in head.safetensors
    ])
  )
}

export const startFrom = (
  adapted: StoredAdapted,
  source: PeftAdapter
): Effect.Effect<Started, PeftError | SafetensorsError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { model } = adapted
    const { otherPrefix, inBase } = model.exported
    if (source.prefix !== "" && source.prefix !== otherPrefix) {
      const problem = `adapter_model.safetensors: its layers are called "${source.prefix}…", but the model's family is ${model.family}`
      return yield* new PeftError({ source: source.source, problems: [problem] })
    }
    const heads = headPlaces(adapted)
    const places = placesOf(adapted)
    const storedAt = ({ file, name }: Place): StoredTensor | undefined =>
      file === "head.safetensors" ? source.head.get(name) : source.tensors.get(bareName(name))
    const missing = missingParts(source, places, storedAt)
    if (missing.length > 0) return yield* new PeftError({ source: source.source, problems: missing })
    const ofHead = places.filter(({ name }) => heads.has(name))
    const fits = ofHead.every((place) => {
      const stored = storedAt(place)
      return stored === undefined || sameShape(stored.shape, place.shape)
    })
    const bySite = new Map<string, Map<string, HostTensor>>()
    const tooLarge = new Map<Place, ReadonlyArray<number>>()
    const asItWas = new Set<Place>()
    for (const place of places) {
      const stored = storedAt(place)
      const isHead = heads.has(place.name)
      if (isHead && (stored === undefined || !fits)) asItWas.add(place)
      else if (stored === undefined && source.config.shared.some((name) => place.name === `base_model.${name}`)) {
        asItWas.add(place)
      } else if (stored !== undefined) {
        if (sizeOf(stored.shape) > sizeOf(place.shape)) tooLarge.set(place, stored.shape)
        else {
          const inFile = bySite.get(place.file) ?? new Map<string, HostTensor>()
          bySite.set(place.file, inFile.set(place.name, yield* readStored(stored)))
        }
      }
    }
    const unusedNames = unusedBody(source, places)
    if (unusedNames.length > 0) {
      const problems = unusedNames.map((name) => `adapter_model.safetensors: ${name} has no place in this model`)
      return yield* new PeftError({ source: source.source, problems })
    }
    const contents: Found = new Map(
      [...bySite].map(([file, content]) => [
        file,
        new Map(Object.entries(storedContent(adapted, Object.fromEntries(content))))
      ])
    )
    const folded = yield* foldedChanges(source)
    const change = (place: Place, value: Tensor): Tensor => {
      const added = folded.get(bareName(place.name))
      if (added === undefined) return value
      const tensors = Object.entries(added.stored).map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])])
      return tf.add(value, tf.mul(source.config.reading.added!(Object.fromEntries(tensors)), added.scale))
    }
    yield* putInPlace(adapted, source.source, contents, { tooLarge, asItWas, change }).pipe(
      Effect.mapError(({ folder, problems }) => new PeftError({ source: folder, problems }))
    )
    return {
      left: [...asItWas].flatMap(({ name }) => heads.get(name) ?? []).filter((name) => !inBase.has(name)),
      head: ofHead.some((place) => !asItWas.has(place))
    }
  })

/**
 * Returns the missing parts of modules trained as a whole: PEFT saves each completely, and otherwise the model would use the base's values for the
 * rest.
 */
const missingParts = (
  { config }: PeftAdapter,
  places: ReadonlyArray<Place>,
  storedAt: (place: Place) => StoredTensor | undefined
): ReadonlyArray<string> => {
  const moduleOf = ({ file, name }: Place) => `${file}: ${name.slice(0, name.lastIndexOf("."))}`
  const isListed = (module: string) => config.modulesToSave.some((name) => module.endsWith(`.${name}`))
  return [...Map.groupBy(places, moduleOf)].flatMap(([module, parts]) => {
    const present = parts.filter((place) => storedAt(place) !== undefined)
    const why =
      present.length > 0
        ? `${present[0]!.name} is present`
        : isListed(module)
          ? "modules_to_save lists its module"
          : undefined
    return parts.flatMap((place) =>
      why === undefined || present.includes(place)
        ? []
        : `${place.file}: ${place.name} is missing, although ${why}: the file is damaged, or was not saved by PEFT; save the adapter again with save_pretrained`
    )
  })
}

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, n) => product * n, 1)

/** Returns tensors of modules trained as a whole for which this model has no place. */
const unusedBody = ({ section, tensors }: PeftAdapter, places: ReadonlyArray<Place>): ReadonlyArray<string> => {
  const modelNames = new Set(places.map(({ name }) => bareName(name)))
  const saved = (section["modulesToSave"] ?? []) as ReadonlyArray<string>
  return [...tensors.keys()].filter(
    (name) => !modelNames.has(name) && saved.some((module) => name.startsWith(`${module}.`))
  )
}

/** A change that is added to the weight of a layer of the head. */
interface Change {
  /** by PEFT's names */
  readonly stored: SiteTensors<HostTensor>
  readonly scale: number
}

const foldedChanges = ({ config, folded, tensors }: PeftAdapter) =>
  Effect.gen(function* () {
    const changes = new Map<string, Change>()
    for (const { module, scale } of folded) {
      const stored: Record<string, HostTensor> = {}
      for (const name of Object.keys(config.reading.tensors))
        stored[name] = yield* readStored(tensors.get(`${module}.${name}`)!)
      changes.set(`${module}.weight`, { stored, scale })
    }
    return changes
  })
