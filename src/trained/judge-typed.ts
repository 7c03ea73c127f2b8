/** Judges typed answers: whether a text is JSON that a JSON Schema allows, and whether it equals the expected value. */
import * as JsonSchema from "effect/JsonSchema"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import { parseBoundedJson } from "../files/index.ts"
import { canonical } from "../scoring/index.ts"

/** Number of answers that a schema allows, and that equal the expected value. */
export interface TypedCounts {
  /** number of answers */
  readonly answers: number
  /** number of valid answers: JSON that the schema allows */
  readonly decoded: number
  /** number of answers equal to the expected value, ignoring the order of keys */
  readonly equal: number
}

/** Validity of an answer, and its equality with the expected value. */
export interface TypedOutcome {
  readonly decoded: boolean
  readonly equal: boolean
}

/** Counts outcomes. */
export const typedCounts = (outcomes: ReadonlyArray<TypedOutcome>): TypedCounts => ({
  answers: outcomes.length,
  decoded: outcomes.filter(({ decoded }) => decoded).length,
  equal: outcomes.filter(({ equal }) => equal).length
})

/** Returns a judge of answers for a JSON Schema, or `broken`: why the schema cannot be used. */
export const typedJudge = (
  schema: unknown
): ((text: string, expected: string) => TypedOutcome) | { readonly broken: string } => {
  let decode: (value: unknown) => Result.Result<unknown, unknown>
  try {
    const document = JsonSchema.fromSchemaDraft2020_12(schema as JsonSchema.JsonSchema)
    // the schema is the user's own file, so its patterns are run
    const compiled = SchemaRepresentation.fromJsonSchemaDocument(document, { patterns: "apply" })
    decode = Schema.decodeUnknownResult(Schema.make<Schema.Codec<unknown>>(compiled.ast), { onExcessProperty: "error" })
  } catch (cause) {
    return { broken: cause instanceof Error ? cause.message : String(cause) }
  }
  return (text, expected) => {
    const [actual, right] = [parseBoundedJson(text.trim()), parseBoundedJson(expected.trim())]
    const decoded = "value" in actual && Result.isSuccess(decode(actual.value))
    return { decoded, equal: decoded && "value" in right && canonical(actual.value) === canonical(right.value) }
  }
}
