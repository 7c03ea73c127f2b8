/**
 * An adapter as the two files that Hugging Face PEFT reads: adapter_model.safetensors, which holds all that is needed
 * here (our record is in its metadata), and adapter_config.json for PEFT.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { selectionOf } from "../../adapters/index.ts"
import { memoryFiles } from "../data/index.ts"
import { parseBoundedJson } from "../files/index.ts"
import { readHeader, readTensors, type SafetensorsError, writeSafetensors } from "../safetensors/index.ts"
import { decodeRecord } from "./adapter-record.ts"
import { AdapterFileError } from "./errors.ts"
import type { HeldAdapter } from "./held-adapter.ts"
import { type SavedAdapter, siteTensors } from "./saved-adapter.ts"

export const MODEL_FILE = "adapter_model.safetensors"
export const CONFIG_FILE = "adapter_config.json"

/** Files by their names. */
export type AdapterFiles = Readonly<Record<string, Uint8Array>>

/** The key of the safetensors metadata that our record stands under. */
const RECORD = "tfjs-lora-pro"

/**
 * AdaLoRA's budget is counted in steps, which an adapter does not know; PEFT asks for some, and uses them in training
 * alone.
 */
const NOMINAL_STEPS = 100

/** Both files; adapter_config.json for methods that PEFT knows alone. */
export const peftFiles = (
  { adapted, selected }: Pick<HeldAdapter, "adapted" | "selected">,
  { record, tensors }: SavedAdapter
): Effect.Effect<AdapterFiles, SafetensorsError> =>
  Effect.gen(function* () {
    const memory = memoryFiles()
    const metadata = { format: "pt", [RECORD]: JSON.stringify(record) }
    yield* writeSafetensors(MODEL_FILE, tensors, metadata).pipe(Effect.provide(memory.layer))
    const model = { [MODEL_FILE]: memory.read(MODEL_FILE)! }
    const { layout } = adapted.method.peft
    if (layout === null) return model
    const modules = adapted.trainable.dense
      .map(({ name }) => name.slice(0, name.lastIndexOf(".")))
      .filter((module) => !adapted.sites.some(({ name }) => name === module))
    const config = {
      task_type: null,
      base_model_name_or_path: record.base.name,
      target_modules: adapted.sites.map(({ name }) => name),
      modules_to_save: modules.length === 0 ? null : [...new Set(modules)],
      ...layout.config({
        options: selectionOf(record.adapter).options,
        sites: selected.sites,
        steps: NOMINAL_STEPS,
        module: (site) => site,
        stored: (site) => siteTensors(site, tensors)
      }),
      inference_mode: true
    }
    return { [CONFIG_FILE]: new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`), ...model }
  })

/** The adapter in the bytes of adapter_model.safetensors. */
export const readPeftFile = (bytes: Uint8Array, source: string): Effect.Effect<SavedAdapter, AdapterFileError> =>
  Effect.gen(function* () {
    const { metadata } = yield* readHeader(MODEL_FILE)
    const fail = (problems: ReadonlyArray<string>) => new AdapterFileError({ source, problems })
    const written = metadata[RECORD]
    if (written === undefined) return yield* fail([foreign])
    const parsed = parseBoundedJson(written)
    if ("problem" in parsed) return yield* fail([`its record is damaged: it ${parsed.problem}`])
    const record = decodeRecord(parsed.value)
    if (Result.isFailure(record)) return yield* fail(record.failure)
    return { record: record.success, tensors: Object.fromEntries(yield* readTensors(MODEL_FILE)) }
  }).pipe(
    Effect.catchTag("SafetensorsError", ({ problems }) => Effect.fail(new AdapterFileError({ source, problems }))),
    Effect.provide(memoryFiles({ [MODEL_FILE]: bytes }).layer)
  )

const foreign = `has no "${RECORD}" in its metadata; expected an adapter that save() has written`
