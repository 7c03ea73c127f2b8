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
import { belowOneNumber, type NumberRange, positiveNumber } from "./settings.ts"

/** Options of every decoder: all errors, no unknown keys, invalid values in messages. None of these is Effect's default. */
export const strict = { errors: "all", onExcessProperty: "error", reportInput: true } as const satisfies ParseOptions

const notNegativeZero = (expected: string) => Schema.makeFilter((n: number) => !Object.is(n, -0), { expected })

/** Returns the schema of a number in a range. `unit`: what it counts, as a plural ("rows"), for docs/plan-reference.md. */
export const quantity = (range: NumberRange, description: string, unit?: string) => {
  const { expected, above, least = above ?? 0, below, most = below, whole } = range
  const [exclusiveMinimum, exclusiveMaximum] = [above !== undefined, below !== undefined]
  const lower = exclusiveMinimum ? Schema.isGreaterThan : Schema.isGreaterThanOrEqualTo
  return Schema.Number.annotate({ expected })
    .check(
      Schema.isFinite({ expected }),
      notNegativeZero(expected),
      ...(whole === true ? [Schema.isInt({ expected })] : []),
      most === undefined
        ? lower(least, { expected })
        : Schema.isBetween({ minimum: least, maximum: most, exclusiveMinimum, exclusiveMaximum }, { expected })
    )
    .annotate({ description, unit })
}

/** Returns the schema of an integer in [least, most]. `unit` as for `quantity`. */
export const integer = (least: number, most: number, description: string, unit?: string) =>
  quantity({ expected: `an integer from ${least} to ${most}`, least, most, whole: true }, description, unit)

/** Returns the schema of an integer ≥ least. `unit` as for `quantity`. */
export const count = (least: number, description: string, unit?: string) =>
  quantity({ expected: `an integer of at least ${least}`, least, whole: true }, description, unit)

/** Returns the schema of a number > 0. `unit` as for `quantity`. */
export const positive = (description: string, unit?: string) => quantity(positiveNumber, description, unit)

/** Returns the schema of a number ≥ least. */
export const atLeast = (least: number, description: string) =>
  quantity({ expected: `a number of at least ${least}`, least }, description)

/** Returns the schema of a number ≥ 0. */
export const nonNegative = (description: string) => atLeast(0, description)

/** Returns the schema of a number in [0, 1). */
export const belowOne = (description: string) => quantity(belowOneNumber, description)

/** Returns the schema of a number in (0, 1). */
export const share = (description: string) =>
  quantity({ expected: "a fraction between 0 and 1", above: 0, below: 1 }, description)

/** Returns the schema of a setting: a number, with its default. */
export const setting = (
  { of, default: value }: { readonly of: NumberRange; readonly default: number },
  description: string,
  unit?: string
) => quantity(of, description, unit).pipe(withDefault(value))

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

/** Support of a property by a kind, or a relative clause with the reason why it does not apply. */
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
