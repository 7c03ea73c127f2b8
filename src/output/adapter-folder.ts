/**
 * The trained parameters on disk: `<run>/adapter/`, written once at the end of a run and read back by `evaluate` and `predict`.
 *
 * File names and tensor names are in `peft/layout.ts`, the configuration of Hugging Face PEFT in `peft/config.ts`.
 *
 * Code for browsers imports this file instead of `index.ts`: it has no run folders.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { type Adapted, methodOf, selectionOf } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import { listedLines } from "../boundary/index.ts"
import { type FileError, fileError, refuseLink, writeJson } from "../files/index.ts"
import type { ExportedModel } from "../models/index.ts"
import type { ResolvedPlan } from "../plan/index.ts"
import {
  type HostTensor,
  readHeader,
  readTensors,
  type SafetensorsError,
  writeSafetensors
} from "../safetensors/index.ts"
import {
  type DeviceReadError,
  everyTensorOf,
  mapEveryTensor,
  readTensor,
  type Trainable,
  tidy
} from "../tensors/index.ts"
import { baseName } from "./base-name.ts"
import { peftConfig } from "./peft/config.ts"
import {
  type AdapterFile,
  type Place,
  peftContent,
  placesOf,
  restoredTrainable,
  type StoredAdapted,
  siteTensorsIn,
  storedContent,
  storedTensors
} from "./peft/layout.ts"

/** An adapter folder that cannot be read or does not fit the model, with every problem. */
export class AdapterError extends Schema.TaggedError<AdapterError>()("AdapterError", {
  /** the adapter's folder */
  folder: Schema.String,
  /** one sentence per problem; at least one */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.folder} does not hold the adapter its plan describes:\n${listedLines(this.problems, (problem) => `  ${problem}`)}`
  }
}

type SaveError = FileError | SafetensorsError | DeviceReadError

type Contents = Readonly<Partial<Record<AdapterFile, Readonly<Record<string, HostTensor>>>>>

/** Reads the content of each file from the device. */
const contentsOf = (adapted: StoredAdapted): Effect.Effect<Contents, DeviceReadError> =>
  Effect.acquireUseRelease(
    Effect.sync(() => tidy(() => storedTensors(adapted).map((tensor) => tf.keep(tensor.clone())))),
    (tensors) =>
      Effect.gen(function* () {
        const contents: Partial<Record<AdapterFile, Record<string, HostTensor>>> = {}
        for (const [i, { file, name, shape }] of placesOf(adapted).entries()) {
          const data = (yield* readTensor(tensors[i]!, name)) as Float32Array
          contents[file] ??= {}
          contents[file][name] = { shape, data }
        }
        return contents
      }),
    (tensors) => Effect.sync(() => tf.dispose(tensors))
  )

/** Writes the adapter's tensors, each file under a temporary name and then renamed, and returns what was stored. */
const writeTensors = (
  adapted: StoredAdapted,
  folder: string
): Effect.Effect<Contents, SaveError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* refuseLink(folder)
    yield* fs.makeDirectory(folder, { recursive: true }).pipe(Effect.mapError(fileError("write", folder)))
    const contents = yield* contentsOf(adapted)
    for (const [file, content] of Object.entries(contents)) {
      yield* writeSafetensors(path.join(folder, file), peftContent(adapted, content), { format: "pt" })
    }
    return contents
  })

/**
 * Writes the adapter's tensors. Each file is written under a temporary name, then renamed.
 *
 * @example
 * import { Effect } from "effect"
 * import { platform } from "tfjs-lora-pro"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { saveTensors } from "tfjs-lora-pro/output"
 *
 * const saved = (adapted: Adapted) => saveTensors(adapted, "adapter").pipe(Effect.provide(platform))
 */
export const saveTensors = (
  adapted: StoredAdapted,
  folder: string
): Effect.Effect<void, SaveError, FileSystem.FileSystem | Path.Path> => Effect.asVoid(writeTensors(adapted, folder))

/** Fields of an adapter's configuration that its tensors do not determine. */
interface Configured extends Pick<Adapted, "selected"> {
  readonly model: ExportedModel
  /** the method's options, before overrides */
  readonly options: object
  readonly steps: number
  readonly base: string
}

/** Writes the adapter's tensors and, if PEFT supports the method, its configuration. */
const writeForPeft = (
  adapted: StoredAdapted,
  { model, options, selected, steps, base }: Configured,
  folder: string
): Effect.Effect<void, SaveError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const contents = yield* writeTensors(adapted, folder)
    const { layout } = adapted.method.peft
    if (layout === null) return
    const config = peftConfig(layout, {
      model,
      options,
      sites: selected.sites,
      steps,
      stored: (site) => siteTensorsIn(adapted, site, contents["adapter_model.safetensors"] ?? {}),
      savedModules: [...new Set(selected.parameters.map((name) => name.slice(0, name.lastIndexOf("."))))],
      base: baseName(path, base)
    })
    yield* writeJson(path.join(folder, "adapter_config.json"), config)
  })

/** Parts of a resolved plan that its adapter's configuration contains. */
interface Saved extends Pick<ResolvedPlan, "plan" | "selected" | "steps" | "base"> {
  readonly model: ExportedModel
}

/** Writes the adapter of a planned run with the configuration that PEFT reads and, if given, the base model's config.json next to it. */
export const saveAdapter = (
  adapted: StoredAdapted,
  { plan, ...resolved }: Saved,
  folder: string,
  baseConfig?: unknown
): Effect.Effect<void, SaveError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    yield* writeForPeft(adapted, { ...resolved, options: selectionOf(plan.adapter).options }, folder)
    if (baseConfig !== undefined && adapted.method.peft.layout !== null)
      yield* writeJson(path.join(folder, "config.json"), baseConfig)
  })

/** Options of `savePeft`: facts that a model built in code does not contain. */
export interface PeftOptions {
  /** value of `base_model_name_or_path`: the base model's folder, or its Hub name, owner/name */
  readonly base: string
  /** optimization steps, from which AdaLoRA computes its budget; PEFT uses them in training only; default 100 */
  readonly steps?: number
}

/** AdaLoRA's number of steps if unspecified. */
const NOMINAL_STEPS = 100

/**
 * Writes an adapter trained in code as a folder that Hugging Face PEFT loads: `adapter_config.json` and `adapter_model.safetensors`. A head over
 * mean pooling, which no transformers class has, is stored next to them in `head.safetensors`. Methods that PEFT does not support are written as
 * tensors only.
 *
 * @example
 * import { Effect } from "effect"
 * import { platform } from "tfjs-lora-pro"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { savePeft } from "tfjs-lora-pro/output"
 *
 * const saved = (adapted: Adapted) =>
 *   savePeft(adapted, "adapter", { base: "models/minilm" }).pipe(Effect.provide(platform))
 */
export const savePeft = (
  adapted: StoredAdapted & Pick<Adapted, "selected">,
  folder: string,
  { base, steps = NOMINAL_STEPS }: PeftOptions
): Effect.Effect<void, SaveError, FileSystem.FileSystem | Path.Path> => {
  const { selected, model } = adapted
  // whichever site's options stand for all: what others have instead is written for each of them
  const options = (selected.sites[0]?.options ?? {}) as object
  return writeForPeft(adapted, { model, selected, options, steps, base }, folder)
}

/** Returns the name of another library that loads adapters of this method, or null. */
export const peftReader = ({ adapter }: RunPlan): string | null =>
  methodOf(adapter).peft.layout !== null ? "Hugging Face PEFT" : null

/** Tensors read from each file, by the names of places. */
export type Found = ReadonlyMap<string, ReadonlyMap<string, HostTensor>>

interface Placing {
  /** tensors that were not read because no place has room for them */
  readonly tooLarge: ReadonlyMap<Place, ReadonlyArray<number>>
  /** places whose tensors stay unchanged */
  readonly asItWas?: ReadonlySet<Place>
  /** transforms a place's tensor before it is stored. Tensor code */
  readonly change?: (place: Place, value: tf.Tensor) => tf.Tensor
}

/** Replaces the initial tensors of `adapted` with those of an adapter folder. Fails with all missing tensors at once. */
export const restoreAdapter = (
  adapted: StoredAdapted,
  folder: string
): Effect.Effect<void, AdapterError | SafetensorsError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const stored = new Map<AdapterFile, ReadonlyMap<string, HostTensor>>()
    const tooLarge = new Map<Place, ReadonlyArray<number>>()
    for (const [file, inFile] of Map.groupBy(placesOf(adapted), (place) => place.file)) {
      const { tensors } = yield* readHeader(path.join(folder, file))
      const names = inFile.flatMap((place) => {
        const shape = tensors.get(place.name)?.shape
        if (shape === undefined) return []
        if (sizeOf(shape) <= sizeOf(place.shape)) return [place.name]
        tooLarge.set(place, shape) // and not read
        return []
      })
      const content = yield* readTensors(path.join(folder, file), names)
      stored.set(file, new Map(Object.entries(storedContent(adapted, Object.fromEntries(content)))))
    }
    yield* putInPlace(adapted, folder, stored, { tooLarge })
  })

/** Replaces tensors of `adapted` with `files`. If any is missing, misshapen or not finite, fails with all and changes nothing. */
export const putInPlace = (
  adapted: StoredAdapted,
  folder: string,
  files: Found,
  { tooLarge, asItWas = new Set(), change = (_, value) => value }: Placing
): Effect.Effect<void, AdapterError> =>
  Effect.gen(function* () {
    const places = placesOf(adapted)
    const unchanged = new Set([...asItWas].map(placeKey))
    const shapes = new Map([...tooLarge].map(([place, shape]) => [placeKey(place), shape]))
    const problems = places.flatMap((place) => {
      if (unchanged.has(placeKey(place))) return []
      const { file, name, shape: expected } = place
      const { data, shape = shapes.get(placeKey(place)) } = files.get(file)?.get(name) ?? {}
      if (shape === undefined) return [`${file}: ${name} is missing`]
      if (data === undefined || !tf.util.arraysEqual([...shape], [...expected])) {
        return [`${file}: ${name} has shape [${shape}], expected [${expected}]`]
      }
      const wrong = data.findIndex((value) => !Number.isFinite(value))
      return wrong < 0 ? [] : [`${file}: ${name} holds ${data[wrong]} at ${wrong}, expected finite numbers`]
    })
    if (problems.length > 0) return yield* new AdapterError({ folder, problems: condensed(problems) })
    const before = adapted.trainable
    adapted.trainable = persistentTree(() => {
      const current = unchanged.size === 0 ? [] : storedTensors(adapted)
      return restoredTrainable(
        adapted,
        places.map((place, i) => {
          const stored = files.get(place.file)?.get(place.name)
          return change(place, unchanged.has(placeKey(place)) ? current[i]! : tf.tensor(stored!.data, [...place.shape]))
        })
      )
    })
    tf.dispose([...everyTensorOf(before)])
  })

const placeKey = ({ file, name }: Place): string => `${file}\0${name}`

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, n) => product * n, 1)

/** Copies a tree made by tensor code into handles of its own. */
const persistentTree = (f: () => Trainable): Trainable =>
  tidy(() => mapEveryTensor((tensor) => tf.keep(tensor.clone()), f()))

/** Returns the first six problems in full and counts the rest: the wrong adapter is one mistake, not one per tensor. */
const condensed = (problems: ReadonlyArray<string>): ReadonlyArray<string> =>
  problems.length <= 6
    ? problems
    : [...problems.slice(0, 6), `and ${problems.length - 6} more tensors with the same problem`]
