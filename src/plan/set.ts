/**
 * `--set adapter.rank=4`: single values of a plan replaced before it is decoded.
 *
 *   <path>=<value>     path: dotted, list entries by index (`adapter.targets.0`); value: JSON if it is JSON, else text
 *
 * The result is decoded like any plan, so an unknown path or a wrong value is found there. Here only what cannot be applied at all
 * is refused, every setting of that kind at once. The input is not changed.
 */
import * as Effect from "effect/Effect"
import type { PlanProblem } from "../../schemas/index.ts"
import { PlanError } from "../../schemas/index.ts"
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
    throw new Inapplicable(`${where} is ${JSON.stringify(container)}, which has no parts; set ${where} as a whole`)
  }
  const old = Object.hasOwn(container, segment) ? (container as Record<string, unknown>)[segment] : undefined
  return { ...container, [segment]: place(old) }
}

/** Apply settings to a plan as written, in order. Fails with every setting that cannot be applied. */
export const applySettings = (raw: unknown, settings: ReadonlyArray<string>): Effect.Effect<unknown, PlanError> =>
  Effect.suspend(() => {
    const problems: Array<PlanProblem> = []
    let tree = raw
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
