/**
 * Options of functions that pages download, checked without a schema: the settings that plans have too (settings.ts), with their defaults and
 * their sentences, all at once. A field that is undefined is one that was left out.
 */
import * as Schema from "effect/Schema"
import { listedLines } from "../src/boundary/index.ts"
import { mismatchProblem, oneOf, type PlanProblem, unknownKeyProblem } from "./problems.ts"
import { adamEpsilon, firstDecay, type NumberRange, type Setting, secondDecay } from "./settings.ts"

/** An optional value that is not checked, such as a transform. */
export const unchecked = { optional: true } as const satisfies Setting

/** Settings of Adam's moments. */
export const adamSettings = { b1: firstDecay, b2: secondDecay, eps: adamEpsilon }

/** Error of invalid options of a function. */
export class OptionsError extends Schema.TaggedError<OptionsError>()("OptionsError", {
  /** name of the function: "Training.openSession" */
  of: Schema.String,
  /** all problems, each with the path of its option */
  problems: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message(): string {
    return listedLines(this.problems, ({ path, message }) => `${this.of}: ${path}: ${message}`)
  }
}

const isWithin = (value: unknown, { least, above = -Infinity, most, below = Infinity, whole }: NumberRange): boolean =>
  typeof value === "number" &&
  !Object.is(value, -0) &&
  (whole !== true || Number.isSafeInteger(value)) &&
  value > above &&
  value >= (least ?? above) &&
  value < below &&
  value <= (most ?? below)

const isValid = (of: NonNullable<Setting["of"]>, value: unknown): boolean =>
  "words" in of ? of.words.some((word) => word === value) : "is" in of ? of.is(value) : isWithin(value, of)

const settingProblem = ({ of, or, optional }: Setting, value: unknown): string | undefined => {
  if (of === undefined || (value === undefined && optional === true)) return undefined
  if (isValid(of, value) || or?.is(value) === true) return undefined
  const words = "words" in of ? of.words : []
  const type = "words" in of ? oneOf(words) : of.expected
  const expected = or === undefined ? type : `${type}, or ${or.expected}`
  return value === undefined ? `missing; expected ${expected}` : mismatchProblem(value, expected, words)
}

/** Options with a value for every setting that is required or has a default. */
export type Settled<Options, Settings> = Options & {
  readonly [Name in keyof Settings & keyof Options as Settings[Name] extends { readonly optional: true }
    ? never
    : Name]-?: Exclude<Options[Name], undefined>
}

/** Fills in the defaults of a function's options. Throws an `OptionsError` with all problems. `of`: name of the function. */
export const settled = <Settings extends Readonly<Record<string, Setting>>, Options extends object>(
  of: string,
  settings: Settings,
  options: Options
): Settled<Options, Settings> => {
  const fields = options as Readonly<Record<string, unknown>>
  const names = Object.keys(settings)
  const values: Record<string, unknown> = {}
  const problems: Array<PlanProblem> = []
  for (const path of Object.keys(fields)) {
    if (fields[path] !== undefined && !names.includes(path))
      problems.push({ path, message: unknownKeyProblem(path, names) })
  }
  for (const path of names) {
    const { [path]: value = settings[path]!.default } = fields
    const message = settingProblem(settings[path]!, value)
    if (message !== undefined) problems.push({ path, message })
    values[path] = value
  }
  if (problems.length > 0) throw new OptionsError({ of, problems })
  return values as Settled<Options, Settings>
}
