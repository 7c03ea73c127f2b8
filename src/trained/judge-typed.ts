/** Judges typed answers: whether a text is a JSON value that a JSON Schema allows, and the value that is expected. */
import * as JsonSchema from "effect/JsonSchema"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import { parseBoundedJson } from "../files/index.ts"
import { canonical } from "./judge-calls.ts"

/** How many answers a schema allows, and how many are right. */
export interface TypedCounts {
  /** answers */
  readonly answers: number
  /** JSON that the schema allows */
  readonly decoded: number
  /** the value that the row expects, whatever the order of keys */
  readonly equal: number
}

/** What an answer is. */
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

/** A judge of answers by a JSON Schema; `broken`: why the schema cannot be used. */
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
    const [own, right] = [parseBoundedJson(text.trim()), parseBoundedJson(expected.trim())]
    const decoded = "value" in own && Result.isSuccess(decode(own.value))
    return { decoded, equal: decoded && "value" in right && canonical(own.value) === canonical(right.value) }
  }
}
