/**
 * What an adapter is, beside its numbers: enough to put it over its base again. It stands as JSON in the metadata of
 * adapter_model.safetensors (which PEFT passes over), and as the topology of what tfjs's IO handlers store.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { count, integer, list, text } from "../../schemas/fields.ts"
import { AdapterConfig } from "../../schemas/index.ts"
import { problemsOf } from "../../schemas/problems.ts"
import { strict } from "../../schemas/strict.ts"

/** Of what is written today. */
export const RECORD_FORMAT = 1

export const AdapterRecord = Schema.Struct({
  format: integer(RECORD_FORMAT, RECORD_FORMAT, "The form of this record."),
  adapter: AdapterConfig,
  seed: count(0, "Seed of the factors' start."),
  head: list(Schema.String, "a list of layer paths", "Layers that are trained themselves."),
  base: Schema.Struct({
    name: Schema.String,
    weights: text("a fingerprint", "Fingerprint of the base's weights; fingerprint.ts.")
  })
})
export type AdapterRecord = typeof AdapterRecord.Type

const decode = Schema.decodeUnknownResult(AdapterRecord, strict)

/** The record, or what is wrong with it. */
export const decodeRecord = (found: unknown): Result.Result<AdapterRecord, ReadonlyArray<string>> => {
  const format = (found as { readonly format?: unknown } | null)?.format
  if (typeof format === "number" && format > RECORD_FORMAT) {
    return Result.fail([
      `was saved in form ${format} by a later version of this package; this one reads form ${RECORD_FORMAT}`
    ])
  }
  const decoded = decode(found)
  if (Result.isSuccess(decoded)) return Result.succeed(decoded.success)
  const problems = problemsOf(decoded.failure.issue, AdapterRecord.ast)
  return Result.fail(problems.map(({ path, message }) => `its record is damaged: ${path}: ${message}`))
}
