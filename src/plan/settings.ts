/**
 * A setting replaces a single value, as in `--set adapter.rank=4`. Its path is dotted, with list entries by index
 * (`adapter.targets.0`); its value is JSON if it parses as JSON, else text. What the plan says in another way goes: `training.epochs=2`
 * takes the place of `training.steps`.
 */
import * as Effect from "effect/Effect"
import { alternatives, PlanError, type PlanProblem, showValue } from "../../schemas/index.ts"
import { isRecord, limit, overLimit } from "../boundary/index.ts"
import { parseBoundedJson } from "../files/index.ts"

interface Setting {
  readonly written: string
  readonly path: ReadonlyArray<string>
  readonly value: unknown
}

/** A setting that cannot be applied: the reason, as a sentence part. */
class Inapplicable {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

const parseValue = (text: string): unknown => {
  const parsed = parseBoundedJson(text)
  return "value" in parsed ? parsed.value : text
}

const parseSetting = (written: string): Setting => {
  const equals = written.indexOf("=")
  if (equals < 0) throw new Inapplicable("has no value; expected path=value, such as adapter.rank=4")
  const path = written.slice(0, equals).trim().split(".")
  if (path.includes(""))
    throw new Inapplicable("has an empty name in its path; expected path=value, such as adapter.rank=4")
  if (path.length > limit("json-depth")) throw new Inapplicable(`has a path of more than ${overLimit("json-depth")}`)
  return { written, path, value: parseValue(written.slice(equals + 1)) }
}

const isIndex = (segment: string): boolean => /^(?:0|[1-9]\d*)$/.test(segment)

const placeInList = (
  list: ReadonlyArray<unknown>,
  segment: string,
  where: string,
  place: (old: unknown) => unknown
) => {
  const index = Number(segment)
  if (!isIndex(segment) || index > list.length) {
    throw new Inapplicable(`${where} is a list of ${list.length}; expected an index from 0 to ${list.length}`)
  }
  return [...list.slice(0, index), place(list[index]), ...list.slice(index + 1)]
}

/** `tree` with `value` at `path`; what is missing on its path is made, as an object or (before an index) a list. */
const withValue = (tree: unknown, { path, value }: Setting, depth = 0): unknown => {
  const segment = path[depth]
  if (segment === undefined) return value
  const where = depth === 0 ? "the plan" : path.slice(0, depth).join(".")
  const place = (old: unknown) => withValue(old, { written: "", path, value }, depth + 1)
  const container = tree === undefined ? (isIndex(segment) ? [] : {}) : tree
  if (Array.isArray(container)) return placeInList(container, segment, where, place)
  if (typeof container !== "object" || container === null) {
    throw new Inapplicable(`${where} is ${showValue(container)}, which has no parts; set ${where} as a whole`)
  }
  const old = Object.hasOwn(container, segment) ? (container as Record<string, unknown>)[segment] : undefined
  return { ...container, [segment]: place(old) }
}

/** `tree` without what is at `path`. */
const without = (tree: unknown, [segment, ...rest]: ReadonlyArray<string>): unknown => {
  if (segment === undefined || !isRecord(tree) || !Object.hasOwn(tree, segment)) return tree
  const { [segment]: old, ...others } = tree
  return rest.length === 0 ? others : { ...tree, [segment]: without(old, rest) }
}

/** The plan's own fields that settings say in another way. */
const replaced = (settings: ReadonlyArray<string>): ReadonlyArray<string> => {
  const set = settings.map((written) => written.split("=", 1)[0]!.trim())
  const both = [...alternatives, ...alternatives.map(([one, other]) => [other, one] as const)]
  return both.flatMap(([one, other]) => (set.includes(one) && !set.includes(other) ? [other] : []))
}

/**
 * Apply settings to a plan as written, in order; `training.epochs=2` takes the place of the plan's `training.steps` (`alternatives`).
 * Fails with every setting that cannot be applied.
 */
export const applySettings = (raw: unknown, settings: ReadonlyArray<string>): Effect.Effect<unknown, PlanError> =>
  Effect.suspend(() => {
    const problems: Array<PlanProblem> = []
    let tree = replaced(settings).reduce((plan, path) => without(plan, path.split(".")), raw)
    for (const written of settings) {
      try {
        tree = withValue(tree, parseSetting(written))
      } catch (error) {
        if (!(error instanceof Inapplicable)) throw error
        problems.push({ path: `--set ${written}`, message: error.reason })
      }
    }
    return problems.length > 0 ? Effect.fail(new PlanError({ problems })) : Effect.succeed(tree)
  })
