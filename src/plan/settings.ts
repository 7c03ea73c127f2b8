/**
 * Settings: each replaces a single value of a plan, as in `--set adapter.rank=4`. The path is dotted, with list entries by index
 * (`adapter.targets.0`); the value is parsed as JSON, or else taken as text. A setting removes alternative fields: `training.epochs=2`
 * replaces `training.steps`.
 */
import * as Effect from "effect/Effect"
import { alternatives, PlanError, type PlanProblem, showValue } from "../../schemas/index.ts"
import { isRecord, limit, overLimit } from "../boundary/index.ts"
import { parseBoundedJson } from "../files/index.ts"

interface Setting {
  readonly assignment: string
  readonly path: ReadonlyArray<string>
  readonly value: unknown
}

/** A setting that cannot be applied, with the reason as part of a sentence. */
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

const parseSetting = (assignment: string): Setting => {
  const equals = assignment.indexOf("=")
  if (equals < 0) throw new Inapplicable("has no value; expected path=value, such as adapter.rank=4")
  const path = assignment.slice(0, equals).trim().split(".")
  if (path.includes(""))
    throw new Inapplicable("has an empty name in its path; expected path=value, such as adapter.rank=4")
  if (path.length > limit("json-depth")) throw new Inapplicable(`has a path of more than ${overLimit("json-depth")}`)
  return { assignment, path, value: parseValue(assignment.slice(equals + 1)) }
}

const isIndex = (segment: string): boolean => /^(?:0|[1-9]\d*)$/.test(segment)

const placeInList = (
  list: ReadonlyArray<unknown>,
  segment: string,
  where: string,
  withReplaced: (old: unknown) => unknown
) => {
  const index = Number(segment)
  if (!isIndex(segment) || index > list.length) {
    throw new Inapplicable(`${where} is a list of ${list.length}; expected an index from 0 to ${list.length}`)
  }
  return [...list.slice(0, index), withReplaced(list[index]), ...list.slice(index + 1)]
}

/** Returns `tree` with `value` at `path`; creates missing parents, as objects or (before an index) lists. */
const withValue = (tree: unknown, { path, value }: Setting, depth = 0): unknown => {
  const segment = path[depth]
  if (segment === undefined) return value
  const where = depth === 0 ? "the plan" : path.slice(0, depth).join(".")
  const withReplaced = (old: unknown) => withValue(old, { assignment: "", path, value }, depth + 1)
  const container = tree === undefined ? (isIndex(segment) ? [] : {}) : tree
  if (Array.isArray(container)) return placeInList(container, segment, where, withReplaced)
  if (typeof container !== "object" || container === null) {
    throw new Inapplicable(`${where} is ${showValue(container)}, which has no fields; set ${where} as a whole`)
  }
  const old = Object.hasOwn(container, segment) ? (container as Record<string, unknown>)[segment] : undefined
  return { ...container, [segment]: withReplaced(old) }
}

/** Returns `tree` without the value at `path`. */
const without = (tree: unknown, [segment, ...rest]: ReadonlyArray<string>): unknown => {
  if (segment === undefined || !isRecord(tree) || !Object.hasOwn(tree, segment)) return tree
  const { [segment]: old, ...others } = tree
  return rest.length === 0 ? others : { ...tree, [segment]: without(old, rest) }
}

/** Returns the plan's fields that settings replace by an alternative. */
const replaced = (settings: ReadonlyArray<string>): ReadonlyArray<string> => {
  const set = settings.map((assignment) => assignment.split("=", 1)[0]!.trim())
  const pairs = [...alternatives, ...alternatives.map(([one, other]) => [other, one] as const)]
  return pairs.flatMap(([one, other]) => (set.includes(one) && !set.includes(other) ? [other] : []))
}

/**
 * Applies settings to a plan before it is decoded, in order; `training.epochs=2` replaces the plan's `training.steps` (`alternatives`).
 * Fails with every setting that cannot be applied.
 */
export const applySettings = (raw: unknown, settings: ReadonlyArray<string>): Effect.Effect<unknown, PlanError> =>
  Effect.suspend(() => {
    const problems: Array<PlanProblem> = []
    let tree = replaced(settings).reduce((plan, path) => without(plan, path.split(".")), raw)
    for (const assignment of settings) {
      try {
        tree = withValue(tree, parseSetting(assignment))
      } catch (error) {
        if (!(error instanceof Inapplicable)) throw error
        problems.push({ path: `--set ${assignment}`, message: error.reason })
      }
    }
    return problems.length > 0 ? Effect.fail(new PlanError({ problems })) : Effect.succeed(tree)
  })
