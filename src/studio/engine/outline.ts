/**
 * The first draft of a plan if none can be suggested: the user's choices, and defaults from the schema. `check` reports what is missing or
 * wrong, at its field.
 */

import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { planKinds, unconditional, writtenOut } from "../../../schemas/index.ts"
import { isRecord } from "../../boundary/index.ts"
import { kinds } from "../../kinds/index.ts"
import { columnNames, namedModel, severalColumns } from "../../suggest/index.ts"
import type { Input, OutlinedPlan } from "../protocol/index.ts"
import { ComesWith, type EngineNeeds, type Handlers } from "./handlers.ts"
import { nameOfRun } from "./plans.ts"

type Values = Readonly<Record<string, unknown>>

/** JSON Schema, as far as a beginning needs it. */
interface Written {
  readonly [keyword: string]: unknown
  readonly anyOf?: ReadonlyArray<Written>
  readonly properties?: Readonly<Record<string, Written>>
  readonly required?: ReadonlyArray<string>
  readonly enum?: ReadonlyArray<unknown>
  readonly examples?: ReadonlyArray<unknown>
}

/** Whether the tags of an alternative agree with the given values. */
const agrees = ({ properties = {} }: Written, values: Values): boolean =>
  Object.entries(values).every(([key, value]) => properties[key]?.enum?.includes(value) ?? true)

/**
 * The initial value of a field: the given value; else its default, its example, its only word, or an object of its required fields and those
 * with an example. undefined: the schema leaves it to the user.
 */
export const initialValue = (schema: Written, preset?: unknown): unknown => {
  if (preset !== undefined && !isRecord(preset)) return preset
  const { anyOf, properties, required = [], examples, enum: words } = schema
  if (preset === undefined && schema["default"] !== undefined) return schema["default"]
  if (preset === undefined && examples !== undefined) return examples[0]
  if (words !== undefined) return words[0]
  if (anyOf !== undefined) {
    const alternatives = anyOf.filter((alternative) => agrees(alternative, preset ?? {}))
    return (
      alternatives.map((alternative) => initialValue(alternative, preset)).find((value) => value !== undefined) ??
      preset
    )
  }
  if (properties === undefined) return preset
  const entries = Object.entries(properties).flatMap(([key, field]) => {
    const isWanted = required.includes(key) || preset?.[key] !== undefined || field.examples !== undefined
    const value = isWanted ? initialValue(field, preset?.[key]) : undefined
    return value === undefined ? [] : [[key, value] as const]
  })
  return Object.fromEntries(entries)
}

type Format = keyof typeof planKinds
const formats = Object.keys(planKinds) as ReadonlyArray<Format>

/** The schema of a format's plans, and that of their data. */
const schemasOf = (format: Format) => {
  const plan: Written = writtenOut(planKinds[format])
  const data = plan.properties?.["data"] ?? {}
  return { plan, data: data.anyOf?.find((alternative) => agrees(alternative, { format })) ?? data }
}

/** Milliseconds. A model that has to be downloaded first does not narrow the formats. */
const AVAILABLE = 1_000

/** The formats whose kinds take a model, with the columns that each has a role for; those of all kinds where that is not known. */
const formatsFor = (model: string | undefined) =>
  Effect.gen(function* () {
    const named =
      model === undefined
        ? Option.none()
        : yield* namedModel(model).pipe(
            Effect.timeoutOption(AVAILABLE),
            Effect.orElseSucceed(() => Option.none())
          )
    const all = yield* Effect.all(kinds)
    const fitting = Option.isNone(named) ? all : all.filter(({ detecting }) => detecting.takes(named.value))
    const roles = Object.assign({}, ...(fitting.length === 0 ? all : fitting).map(({ detecting }) => detecting.columns))
    return formats.filter((format) => Object.hasOwn(roles, format)).map((format) => ({ format, roles: roles[format] }))
  })

/** "a, b" → a and b */
const listOf = (column: unknown): unknown =>
  typeof column === "string" ? column.split(",").map((name) => name.trim()) : column

/** What the roles of a format read: the columns that a user named, else those that its schema names. */
const columnsOf = (data: Written, roles: ReadonlyArray<string>, named: Values): Values =>
  Object.fromEntries(
    roles.flatMap((role) => {
      const field = data.properties?.[role] ?? {}
      const column = named[role] ?? field["default"]
      if (column === undefined) return []
      const isText = [field, ...(field.anyOf ?? [])].some(({ type }) => type === "string")
      const isSeveral = severalColumns.some((several) => several === role) && String(column).includes(",")
      return [[role, isText && !isSeveral ? column : listOf(column)] as const]
    })
  )

/** The format that the most columns speak for: of those that are read, how many the rows have. The first of several. */
const nearest = <One extends { readonly reads: Values }>(
  all: ReadonlyArray<One>,
  names: ReadonlyArray<string>
): One => {
  const matching = ({ reads }: One) =>
    Object.values(reads)
      .flat()
      .filter((column) => names.some((name) => name === column)).length
  return all.reduce((best, candidate) => (matching(candidate) > matching(best) ? candidate : best))
}

const outlined = ({
  model,
  train,
  validation,
  test,
  names = [],
  format: chosen,
  columns = {},
  ...dialect
}: Input<"outline">) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const source = model ?? (yield* ComesWith).models[0]
    const columnsByRole = Object.fromEntries(
      Object.entries(columns).filter(([role]) => columnNames.some((name) => name === role))
    )
    const all = (yield* formatsFor(source)).map(({ format, roles }) => {
      const schemas = schemasOf(format)
      return { format, ...schemas, reads: columnsOf(schemas.data, roles, columnsByRole) }
    })
    const { format, plan, reads } = all.find((candidate) => candidate.format === chosen) ?? nearest(all, names)
    const values = {
      model: { source },
      data: { format, train, validation, test, ...dialect, ...reads },
      // one that any adapter can be trained with
      optimizer: { kind: unconditional[0] }
    }
    return {
      name: train === undefined ? "run" : nameOfRun(path, train),
      plan: initialValue(plan, values) as Values
    } satisfies OutlinedPlan
  })

export const outlineHandlers: Partial<Handlers<EngineNeeds>> = { calls: { outline: outlined } }
