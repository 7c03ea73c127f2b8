/**
 * An adapter as what tfjs's IO handlers carry (`indexeddb://`, `localstorage://`, `downloads://`, `http(s)://`, or a
 * handler of somebody's own): they take a model's topology, which is any JSON to them, and named float32 weights.
 * Loaded as a model it is refused by its class name.
 */
import type * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { bytesOf, type HostTensor } from "../safetensors/index.ts"
import { decodeRecord } from "./adapter-record.ts"
import { AdapterFileError } from "./errors.ts"
import type { SavedAdapter } from "./saved-adapter.ts"

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
