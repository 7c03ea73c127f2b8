/**
 * The quantities that plans are made of: a range, words for it, and a default — each said once.
 *
 * `expected` is the phrase an error prints ("found 0; expected an integer from 1 to 1024"). It is put on the type and on every
 * check, so that whichever fails says the same. Numbers are finite and never −0: a plan is written to disk and read again, and
 * JSON has neither NaN nor a reliable −0.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ParseOptions } from "effect/SchemaAST"

/** How everything is decoded. None of these is the library's default: it stops at the first error, drops unknown keys and hides the found value. */
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

/** An integer in [minimum, maximum]. `unit`: what it counts, as a plural ("rows"), for docs/plan-reference.md. */
export const integer = (minimum: number, maximum: number, description: string, unit?: string) => {
  const bounded = maximum < Number.MAX_SAFE_INTEGER
  const expected = bounded ? `an integer from ${minimum} to ${maximum}` : `an integer of at least ${minimum}`
  const range = bounded
    ? Schema.isBetween({ minimum, maximum }, { expected })
    : Schema.isGreaterThanOrEqualTo(minimum, { expected })
  return quantity(expected, { description, unit }, Schema.isInt({ expected }), range)
}

/** An integer ≥ minimum. `unit` as for `integer`. */
export const count = (minimum: number, description: string, unit?: string) =>
  integer(minimum, Number.MAX_SAFE_INTEGER, description, unit)

/** A number > 0. `unit` as for `integer`. */
export const positive = (description: string, unit?: string) => {
  const expected = "a number greater than 0"
  return quantity(expected, { description, unit }, Schema.isGreaterThan(0, { expected }))
}

/** A number ≥ minimum. */
export const atLeast = (minimum: number, description: string) => {
  const expected = `a number of at least ${minimum}`
  return quantity(expected, { description }, Schema.isGreaterThanOrEqualTo(minimum, { expected }))
}

/** A number ≥ 0. */
export const nonNegative = (description: string) => atLeast(0, description)

/** A number in [0, 1). */
export const belowOne = (description: string) => {
  const expected = "a number from 0 up to, not including, 1"
  return quantity(
    expected,
    { description },
    Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMaximum: true }, { expected })
  )
}

/** A number in (0, 1). */
export const share = (description: string) => {
  const expected = "a fraction between 0 and 1"
  return quantity(
    expected,
    { description },
    Schema.isBetween({ minimum: 0, maximum: 1, exclusiveMinimum: true, exclusiveMaximum: true }, { expected })
  )
}

/** A text that is not empty. `expected` is a noun phrase: "a path to …". */
export const text = (expected: string, description: string) =>
  Schema.String.annotate({ expected }).check(Schema.isMinLength(1, { expected })).annotate({ description })

/** One of some words. */
export const choice = <const Words extends ReadonlyArray<string>>(words: Words, description: string) =>
  Schema.Literals(words).annotate({ description })

/** A list, also an empty one. `expected` is a noun phrase: "a list of …". */
export const list = <S extends Schema.Constraint>(item: S, expected: string, description: string) =>
  Schema.Array(item).annotate({ expected, description })

/** A list of `minimum` entries or more. */
export const listOf = <S extends Schema.Constraint>(minimum: number, item: S, expected: string, description: string) =>
  Schema.Array(item).annotate({ expected }).check(Schema.isMinLength(minimum, { expected })).annotate({ description })

/** Two numbers in [0, 1): the decay rates of Adam's moments. */
export const betas = Schema.Tuple([belowOne("β₁, first moment"), belowOne("β₂, second moment")]).annotate({
  expected: "two numbers [β₁, β₂]",
  description: "Decay rates of Adam's first and second moment."
})

/** The value a key has when it is absent. The only place where defaults come from; shown in the JSON Schema too. */
export const withDefault =
  <S extends Schema.Top>(value: S["Encoded"]) =>
  (schema: S): Schema.withDecodingDefaultKey<S> => {
    const annotated = schema.annotate({ default: value }) as unknown as S // an annotation leaves the type as it is
    return annotated.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))
  }

/** Whether something holds for a kind; if not, a relative clause that says why. */
export type Holds =
  | { readonly holds: true }
  | {
      readonly holds: false
      /** a relative clause: "whose factors A and B are frozen" */
      readonly because: string
    }

/** Where editors find the JSON Schema. */
export const schemaKey = Schema.optionalKey(
  Schema.String.annotate({
    expected: "a path or URL of the JSON Schema",
    description: "Where editors find the JSON Schema."
  })
)
