/**
 * The trained parameters on disk: `<run>/adapter/`, written once at the end and read back by `evaluate` and `predict`.
 *
 * What lies where is `peft-layout.ts`; what Hugging Face PEFT needs to know of it is `peft-config.ts`.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type { Adapted, LoraOptions, SelectedSite } from "../../adapters/index.ts"
import type { ResolvedPlan } from "../plan/resolve.ts"
import { type DeviceReadError, readTensor } from "../tensors/read.ts"
import { readTensors, type SafetensorsError, writeSafetensors } from "../tensors/safetensors.ts"
import { tensorsOf, withTensors } from "../tensors/trainable.ts"
import { type FileError, fileError, refuseLink, writeJson } from "./atomic-file.ts"
import { peftConfig } from "./peft-config.ts"
import { type AdapterFile, storedTensors } from "./peft-layout.ts"

export class AdapterError extends Schema.TaggedError<AdapterError>()("AdapterError", {
  folder: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.folder} does not hold the adapter its plan describes:\n${this.problems.map((problem) => `  ${problem}`).join("\n")}`
  }
}

type SaveError = FileError | SafetensorsError | DeviceReadError

/** Writes the adapter's tensors, each file by temporary name and rename. */
export const saveTensors = (
  adapted: Adapted,
  folder: string
): Effect.Effect<void, SaveError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* refuseLink(folder)
    yield* fs.makeDirectory(folder, { recursive: true }).pipe(Effect.mapError(fileError("write", folder)))
    const tensors = tensorsOf(adapted.trainable)
    const places = storedTensors(adapted)
    for (const file of new Set(places.map((place) => place.file))) {
      const content: Record<string, { shape: ReadonlyArray<number>; data: Float32Array }> = {}
      for (const [i, place] of places.entries()) {
        if (place.file !== file) continue
        const data = (yield* readTensor(tensors[i]!, place.name)) as Float32Array
        content[place.name] = { shape: tensors[i]!.shape, data }
      }
      yield* writeSafetensors(path.join(folder, file), content, { format: "pt" })
    }
  })

/** Writes the adapter of a planned run, with the configuration that PEFT reads. */
export const saveAdapter = (
  adapted: Adapted,
  resolved: ResolvedPlan,
  folder: string
): Effect.Effect<void, SaveError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const { plan, model, selected } = resolved
    yield* saveTensors(adapted, folder)
    if (plan.adapter.method !== "lora") return
    const relative = path.relative(".", model.folder)
    const config = peftConfig({
      model,
      config: plan.adapter,
      sites: selected.sites as unknown as ReadonlyArray<SelectedSite<LoraOptions>>,
      savedModules: [...new Set(selected.parameters.map((name) => name.slice(0, name.lastIndexOf("."))))],
      base: relative.startsWith("..") ? model.folder : relative
    })
    yield* writeJson(path.join(folder, "adapter_config.json"), config)
  })

/** Puts the tensors of an adapter folder in place of the ones `adapted` started with. All that is missing is told at once. */
export const restoreAdapter = (
  adapted: Adapted,
  folder: string
): Effect.Effect<void, AdapterError | SafetensorsError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const places = storedTensors(adapted)
    const current = tensorsOf(adapted.trainable)
    const found = new Map<AdapterFile, ReadonlyMap<string, { shape: ReadonlyArray<number>; data: Float32Array }>>()
    for (const file of new Set(places.map((place) => place.file))) {
      found.set(file, yield* readTensors(path.join(folder, file)))
    }
    const problems = places.flatMap(({ file, name }, i) => {
      const shape = found.get(file)?.get(name)?.shape
      if (shape === undefined) return [`${file}: ${name} is missing`]
      return tf.util.arraysEqual([...shape], current[i]!.shape)
        ? []
        : [`${file}: ${name} has shape [${shape}], expected [${current[i]!.shape}]`]
    })
    if (problems.length > 0) return yield* new AdapterError({ folder, problems: condensed(problems) })
    const next = places.map(({ file, name }, i) => tf.tensor(found.get(file)!.get(name)!.data, current[i]!.shape))
    tf.dispose([...current])
    adapted.trainable = withTensors(adapted.trainable, next)
  })

/** The first six in full: another plan's adapter is one mistake, not one per tensor. */
const condensed = (problems: ReadonlyArray<string>): ReadonlyArray<string> =>
  problems.length <= 6 ? problems : [...problems.slice(0, 6), `and ${problems.length - 6} more tensors likewise`]
