/**
 * The forms in which an adapter is stored:
 *
 *   two files that Hugging Face PEFT reads: adapter_model.safetensors, which holds all that is needed here (our record is in its
 *   metadata), and adapter_config.json for PEFT
 *   what tfjs's IO handlers carry (`indexeddb://`, `localstorage://`, `downloads://`, `http(s)://`, or a handler of the user's): a
 *   model's topology, which may be any JSON, and named float32 weights. Loaded as a model it is refused by its class name
 */

import type * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { selectionOf } from "../../adapters/index.ts"
import { memoryFiles } from "../data/index.ts"
import { parseBoundedJson } from "../files/index.ts"
import {
  bytesOf,
  type HostTensor,
  readHeader,
  readTensors,
  type SafetensorsError,
  writeSafetensors
} from "../safetensors/index.ts"
import { decodeRecord } from "./adapter-record.ts"
import { AdapterFileError } from "./errors.ts"
import type { HeldAdapter } from "./held-adapter.ts"
import { type SavedAdapter, siteTensors } from "./saved-adapter.ts"

export const MODEL_FILE = "adapter_model.safetensors"
export const CONFIG_FILE = "adapter_config.json"

/** Files by their names. */
export type AdapterFiles = Readonly<Record<string, Uint8Array>>

/** The key of our record in the safetensors metadata. */
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

const FORMAT = "tfjs-lora-pro-adapter"
const CLASS_NAME = "LoraProAdapter"

export const artifactsOf = ({ record, tensors }: SavedAdapter): tf.io.ModelArtifacts => {
  const entries = Object.entries(tensors)
  const bytes = new Uint8Array(entries.reduce((size, [, { data }]) => size + data.byteLength, 0))
  let next = 0
  for (const [, { data }] of entries) {
    bytes.set(bytesOf(data), next)
    next += data.byteLength
  }
  return {
    // parsed from its text: handlers that keep objects (indexeddb) take plain data alone
    modelTopology: JSON.parse(JSON.stringify({ class_name: CLASS_NAME, config: record })) as object,
    format: FORMAT,
    generatedBy: "tfjs-lora-pro",
    convertedBy: null as unknown as string, // as tfjs writes it
    weightSpecs: entries.map(([name, { shape }]) => ({ name, shape: [...shape], dtype: "float32" })),
    weightData: bytes.buffer
  }
}

export const readArtifacts = (
  artifacts: tf.io.ModelArtifacts,
  source: string
): Effect.Effect<SavedAdapter, AdapterFileError> =>
  Effect.gen(function* () {
    const fail = (problems: ReadonlyArray<string>) => new AdapterFileError({ source, problems })
    const topology = artifacts.modelTopology as { readonly class_name?: unknown; readonly config?: unknown } | undefined
    if (topology?.class_name !== CLASS_NAME) {
      const found =
        typeof topology?.class_name === "string" ? `a ${topology.class_name}` : "something without a class name"
      return yield* fail([`found ${found}; expected a ${CLASS_NAME}, as save() writes it`])
    }
    const record = decodeRecord(topology.config)
    if (Result.isFailure(record)) return yield* fail(record.failure)
    const tensors = tensorsIn(artifacts)
    return typeof tensors === "string" ? yield* fail([tensors]) : { record: record.success, tensors }
  })

/** The tensors, or why there are none. */
const tensorsIn = ({ weightSpecs = [], weightData }: tf.io.ModelArtifacts): SavedAdapter["tensors"] | string => {
  const bytes = joined(weightData)
  const tensors: Record<string, HostTensor> = {}
  let next = 0
  for (const { name, shape, dtype } of weightSpecs) {
    if (dtype !== "float32") return `tensor ${name} is ${dtype}, expected float32`
    const size = shape.reduce((product, n) => product * n, 1)
    if (next + 4 * size > bytes.byteLength)
      return `truncated: ${bytes.byteLength} bytes of weights found, tensor ${name} ends at ${next + 4 * size}`
    tensors[name] = { shape, data: new Float32Array(bytes.slice(next, next + 4 * size)) }
    next += 4 * size
  }
  return next === bytes.byteLength ? tensors : `${bytes.byteLength - next} bytes of weights belong to no tensor`
}

/** Handlers give one buffer, or several in a row. */
const joined = (data: tf.io.ModelArtifacts["weightData"]): ArrayBuffer => {
  const parts = data === undefined ? [] : [data].flat()
  if (parts.length === 1) return parts[0]!
  const bytes = new Uint8Array(parts.reduce((size, { byteLength }) => size + byteLength, 0))
  let next = 0
  for (const part of parts) {
    bytes.set(new Uint8Array(part), next)
    next += part.byteLength
  }
  return bytes.buffer
}
