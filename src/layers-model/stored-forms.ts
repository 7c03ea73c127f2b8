/**
 * Storage formats of an adapter:
 *
 *   two files that Hugging Face PEFT reads: adapter_model.safetensors, which holds all that is needed here (our record is in its
 *   metadata), and adapter_config.json for PEFT
 *   what tfjs's IO handlers carry (`indexeddb://`, `localstorage://`, `downloads://`, `http(s)://`, or a handler of the user's): a
 *   model's topology, which may be any JSON, and named float32 weights. Loaded as a model it is refused by its class name
 */

import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import { selectionOf } from "../../adapters/index.ts"
import { cut, isRecord, Listing, limit, overLimit, wholeNumber } from "../boundary/index.ts"
import { memoryFiles } from "../data/index.ts"
import { parseBoundedJson } from "../files/index.ts"
import { readSpecs } from "../models/layers-model/index.ts"
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

/** File name of an adapter's tensors in PEFT's layout. */
export const MODEL_FILE = "adapter_model.safetensors"
export const CONFIG_FILE = "adapter_config.json"

/** Files by name. */
export type AdapterFiles = Readonly<Record<string, Uint8Array>>

/** The key of our record in the safetensors metadata. */
const RECORD = "tfjs-lora-pro"

/**
 * AdaLoRA's budget is counted in steps, which an adapter does not know; PEFT asks for some, and uses them in training
 * alone.
 */
const NOMINAL_STEPS = 100

/** Returns both files; adapter_config.json only for methods that PEFT supports. */
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

/** Reads the adapter from a file like adapter_model.safetensors. `source`: for the error. */
export const readPeftFile = (
  file: string,
  source: string = file
): Effect.Effect<SavedAdapter, AdapterFileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { metadata, tensors } = yield* readHeader(file)
    const fail = (problems: ReadonlyArray<string>) => new AdapterFileError({ source, problems })
    const recordText = metadata[RECORD]
    if (recordText === undefined) return yield* fail([foreign])
    if (recordText.length > limit("adapter-record")) {
      const length = wholeNumber(recordText.length)
      return yield* fail([`its record has ${length} characters, more than ${overLimit("adapter-record")}`])
    }
    const parsed = parseBoundedJson(recordText)
    if ("problem" in parsed) return yield* fail([`its record is damaged: it ${parsed.problem}`])
    const record = decodeRecord(parsed.value)
    if (Result.isFailure(record)) return yield* fail(record.failure)
    const stored = [...tensors.values()]
    const whole = stored.filter(({ dtype }) => !floats.includes(dtype))
    if (whole.length > 0) {
      return yield* fail(whole.map(({ name, dtype }) => `tensor ${name} is ${dtype}, expected ${floats.join(" or ")}`))
    }
    const bytes = stored.at(-1)?.end ?? 0
    if (bytes > limit("layers-model-bytes")) {
      return yield* fail([`has ${wholeNumber(bytes)} bytes, more than ${overLimit("layers-model-bytes")}`])
    }
    return { record: record.success, tensors: Object.fromEntries(yield* readTensors(file)) }
  }).pipe(
    Effect.catchTag("SafetensorsError", ({ problems }) => Effect.fail(new AdapterFileError({ source, problems })))
  )

const floats: ReadonlyArray<string> = ["F32", "F16", "BF16", "F64"]

/** Reads the adapter from the bytes of such a file. */
export const readPeftBytes = (bytes: Uint8Array, source: string): Effect.Effect<SavedAdapter, AdapterFileError> =>
  readPeftFile(MODEL_FILE, source).pipe(Effect.provide(memoryFiles({ [MODEL_FILE]: bytes }).layer))

const foreign = `has no "${RECORD}" in its metadata; expected an adapter written by save()`

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

/** Reads the adapter from the result of an IO handler's load(). */
export const readArtifacts = (artifacts: unknown, source: string): Effect.Effect<SavedAdapter, AdapterFileError> =>
  Effect.gen(function* () {
    const fail = (problems: ReadonlyArray<string>) => new AdapterFileError({ source, problems })
    const { modelTopology, weightSpecs = [], weightData = [] } = isRecord(artifacts) ? artifacts : {}
    const { class_name: name, config } = isRecord(modelTopology) ? modelTopology : {}
    if (name !== CLASS_NAME) {
      const tensor = typeof name === "string" ? `a ${cut(name)}` : "something without a class name"
      return yield* fail([`found ${tensor}; expected a ${CLASS_NAME}, as save() writes it`])
    }
    const record = decodeRecord(config)
    if (Result.isFailure(record)) return yield* fail(record.failure)
    const parts: ReadonlyArray<unknown> = [weightData].flat()
    if (!Array.isArray(weightSpecs) || !parts.every((part) => part instanceof ArrayBuffer)) {
      return yield* fail(["has no list of weightSpecs with the bytes of their weightData"])
    }
    const problems = new Listing()
    const tensors = tensorsIn(readSpecs(weightSpecs, problems), joined(parts), problems)
    return problems.isEmpty ? { record: record.success, tensors } : yield* fail(problems.entries)
  })

const tensorsIn = (
  specs: ReadonlyArray<tf.io.WeightsManifestEntry>,
  bytes: ArrayBuffer,
  problems: Listing
): SavedAdapter["tensors"] => {
  const tensors = new Map<string, HostTensor>()
  let next = 0
  for (const { name, shape, dtype, quantization } of specs) {
    if (dtype !== "float32") problems.add(`tensor ${name} is ${dtype}, expected float32`)
    if (quantization !== undefined) problems.add(`tensor ${name} is quantized, expected plain float32`)
    const end = next + 4 * tf.util.sizeFromShape(shape)
    if (end > bytes.byteLength) {
      problems.add(`truncated: ${bytes.byteLength} bytes of weights found, tensor ${name} ends at ${end}`)
      break
    }
    tensors.set(name, { shape, data: new Float32Array(bytes.slice(next, end)) })
    next = end
  }
  if (problems.isEmpty && next < bytes.byteLength) {
    problems.add(`${bytes.byteLength - next} bytes of weights do not belong to a tensor`)
  }
  return Object.fromEntries(tensors)
}

/** Handlers give one buffer, or several in a row. */
const joined = (parts: ReadonlyArray<ArrayBuffer>): ArrayBuffer =>
  parts.length === 1 ? parts[0]! : tf.io.CompositeArrayBuffer.join([...parts])
