/**
 * An adapter's description: all that is needed, in addition to its tensors, to load it onto its base. It is stored as JSON in the metadata of
 * adapter_model.safetensors (which PEFT ignores), and as the topology in what tfjs's IO handlers store.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { AdapterConfig, count, integer, list, problemsOf, strict, text } from "../../schemas/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"
import { type DeviceReadError, readTensor } from "../tensors/index.ts"

/** Current version of the record's format. */
export const RECORD_FORMAT = 1

export const AdapterRecord = Schema.Struct({
  format: integer(RECORD_FORMAT, RECORD_FORMAT, "Version of this record."),
  adapter: AdapterConfig,
  ranks: Schema.optionalKey(
    Schema.Record(Schema.String, count(0, "Its rank.")).annotate({
      description: "Rank chosen by the init for each selected layer. Absent: the ranks of the adapter section."
    })
  ),
  seed: count(0, "Seed of the initial factors."),
  head: list(Schema.String, "a list of layer paths", "Layers trained in full."),
  classes: Schema.optionalKey(
    count(1, "Classes of a new head that replaces the model's. Absent: the model keeps its head.")
  ),
  base: Schema.Struct({
    name: Schema.String,
    weights: text("a fingerprint", "Fingerprint of the base's weights.")
  })
})
export type AdapterRecord = typeof AdapterRecord.Type

const decode = Schema.decodeUnknownResult(AdapterRecord, strict)

/** Returns the decoded record, or its problems. */
export const decodeRecord = (json: unknown): Result.Result<AdapterRecord, ReadonlyArray<string>> => {
  const format = (json as { readonly format?: unknown } | null)?.format
  if (typeof format === "number" && format > RECORD_FORMAT) {
    return Result.fail([
      `was saved in form ${format} by a later version of this package; this one reads form ${RECORD_FORMAT}`
    ])
  }
  const decoded = decode(json)
  if (Result.isSuccess(decoded)) return Result.succeed(decoded.success)
  const problems = problemsOf(decoded.failure.issue, AdapterRecord.ast)
  return Result.fail(problems.map(({ path, message }) => `its record is damaged: ${path}: ${message}`))
}

const PRIME = 0x01000193
const STARTS = [0x811c9dc5, 0x050c5d1f] as const

const mixed = (state: number, words: Int32Array): number => {
  let hash = state
  // the rotation brings high bits down, which the product alone never does
  for (const word of words) hash = Math.imul(((hash << 13) | (hash >>> 19)) ^ word, PRIME)
  return hash
}

const hexadecimal = (hash: number): string => (hash >>> 0).toString(16).padStart(8, "0")

/**
 * Computes the fingerprint of an adapter's base: 64 bits of all its weights except a new head's, with shapes and order, as 16 hex digits.
 * Detects an adapter that is loaded onto other weights, which would otherwise give wrong outputs silently. Names do not count: tfjs
 * renumbers them in each program.
 *
 * Two FNV-1a hashes of 32-bit words with different initial values: an identity check, not protection against forgery. (SHA-256 is
 * not available in pages served without TLS.) Reads every weight from the device, one after the other.
 */
export const fingerprintOf = ({
  base: model,
  newHead
}: Pick<LayersNetwork, "base" | "newHead">): Effect.Effect<string, DeviceReadError> =>
  Effect.gen(function* () {
    const headWeights = new Set(newHead?.getWeights())
    let [first, second]: [number, number] = [...STARTS]
    for (const [i, weight] of model
      .getWeights()
      .filter((weight) => !headWeights.has(weight))
      .entries()) {
      const values = yield* readTensor(weight, `weight ${i} of ${model.name}`)
      const numbers = Float32Array.from(values) // bool and int32 weights are rare, and small
      const words = new Int32Array(numbers.buffer)
      const shape = Int32Array.from([weight.rank, ...weight.shape])
      first = mixed(mixed(first, shape), words)
      second = mixed(
        mixed(second, shape),
        words.map((word) => ~word)
      )
    }
    return hexadecimal(first) + hexadecimal(second)
  })
