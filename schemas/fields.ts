/**
 * Building blocks of plan schemas: quantities with a range, words for it, and a default.
 *
 * `expected` is the phrase an error prints ("found 0; expected an integer from 1 to 1024"). It is put on the type and on every
 * check, so that whichever fails says the same. Numbers are finite and never −0: a plan is written to disk and read again, and
 * JSON has neither NaN nor a reliable −0.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ParseOptions } from "effect/SchemaAST"

/** Options of every decoder: all errors, no unknown keys, invalid values in messages. None of these is Effect's default. */
export const strict = { errors: "all", onExcessProperty: "error", reportInput: true } as const satisfies ParseOptions

const notNegativeZero = (expected: string) => Schema.makeFilter((n: number) => !Object.is(n, -0), { expected })

const quantity = (
  expected: string,
  described: { readonly description: string; readonly unit?: string | undefined },
  ...checks: Array<ReturnType<typeof notNegativeZero>>
) =>
  Schema.Number.annotate({ expected })
    .check(Schema.isFinite({ expected }), notNegativeZero(expected), ...checks)
    .annotate(described)

/** Returns the schema of an integer in [minimum, maximum]. `unit`: what it counts, as a plural ("rows"), for docs/plan-reference.md. */
export const integer = (minimum: number, maximum: number, description: string, unit?: string) => {
  const bounded = maximum < Number.MAX_SAFE_INTEGER
  const expected = bounded ? `an integer from ${minimum} to ${maximum}` : `an integer of at least ${minimum}`
  const range = bounded
    ? Schema.isBetween({ minimum, maximum }, { expected })
    : Schema.isGreaterThanOrEqualTo(minimum, { expected })
  return quantity(expected, { description, unit }, Schema.isInt({ expected }), range)
}

/** Returns the schema of an integer ≥ minimum. `unit` as for `integer`. */
export const count = (minimum: number, description: string, unit?: string) =>
  integer(minimum, Number.MAX_SAFE_INTEGER, description, unit)

/** Returns the schema of a number > 0. `unit` as for `integer`. */
export const positive = (description: string, unit?: string) => {
  const expected = "a number greater than 0"
  return quantity(expected, { description, unit }, Schema.isGreaterThan(0, { expected }))
}

/** Returns the schema of a number ≥ minimum. */
export const atLeast = (minimum: number, description: string) => {
  const expected = `a number of at least ${minimum}`
  return quantity(expected, { description }, Schema.isGreaterThanOrEqualTo(minimum, { expected }))
}

/** Returns the schema of a number ≥ 0. */
export const nonNegative = (description: string) => atLeast(0, description)

/** Returns the schema of a number in [0, 1). */
export const belowOne = (description: string) => {
  const expected = "a number from 0 up to, not including, 1"
  return quantity(
    expected,
    { description },
    Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMaximum: true }, { expected })
  )
}

/** Returns the schema of a number in (0, 1). */
export const share = (description: string) => {
  const expected = "a fraction between 0 and 1"
  return quantity(
    expected,
    { description },
    Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMinimum: true, exclusiveMaximum: true }, { expected })
  )
}

/** Returns the schema of a non-empty string. `expected` is a noun phrase: "a path to …". */
export const text = (expected: string, description: string) =>
  Schema.String.annotate({ expected }).check(Schema.isMinLength(1, { expected })).annotate({ description })

/** Returns the schema of a choice of words. */
export const choice = <const Words extends ReadonlyArray<string>>(words: Words, description: string) =>
  Schema.Literals(words).annotate({ description })

/** Returns the schema of a list, which may be empty. `expected` is a noun phrase: "a list of …". */
export const list = <S extends Schema.Constraint>(item: S, expected: string, description: string) =>
  Schema.Array(item).annotate({ expected, description })

/** Returns the schema of a list with at least `minimum` entries. */
export const listOf = <S extends Schema.Constraint>(minimum: number, item: S, expected: string, description: string) =>
  Schema.Array(item).annotate({ expected }).check(Schema.isMinLength(minimum, { expected })).annotate({ description })

/** Schema of the decay rates of Adam's moments: two numbers in [0, 1). */
export const betas = Schema.Tuple([belowOne("β₁, first moment"), belowOne("β₂, second moment")]).annotate({
  expected: "two numbers [β₁, β₂]",
  description: "Decay rates of Adam's first and second moments."
})

/** Adds a default to a schema, also shown in the JSON Schema. All defaults of plans are set by it. */
export const withDefault =
  <S extends Schema.Top>(value: S["Encoded"]) =>
  (schema: S): Schema.withDecodingDefaultKey<S> => {
    const annotated = schema.annotate({ default: value }) as unknown as S // an annotation does not change the type
    return annotated.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))
  }

/** Whether something holds for a kind; if not, a relative clause with the reason. */
export type Holds =
  | { readonly holds: true }
  | {
      readonly holds: false
      /** a relative clause: "whose factors A and B are frozen" */
      readonly because: string
    }

/** Schema of `$schema`. */
export const schemaKey = Schema.optionalKey(
  Schema.String.annotate({
    expected: "a path or URL of the JSON Schema",
    description: "Path or URL of the JSON Schema, for editors."
  })
)
