/**
 * What is wrong with a plan, in the words of plans: a walk over the decoder's issue tree.
 *
 *   adapter.rnk: unknown key; did you mean "rank"? (allowed: method, rank, alpha, …)
 *   adapter.method: found "lorra"; expected one of "lora", "full", "none"; did you mean "lora"?
 *   adapter.rank: found 0; expected an integer from 1 to 1024
 *
 * The library's own formatter prints one message per check and, for an unknown tag, nothing but the whole object. Here a wrong tag
 * is reported at the tag alone, since nothing can be said of the other keys before it is right; and a value that fails
 * several checks of one field is reported once, with the field's own words (`expected` in fields.ts).
 */
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import { closest } from "./closest.ts"
import { expectedOf, literalsOf, oneOf, propertyOf, showValue, tagOf } from "./expected.ts"

/** What is wrong, and where: `path` is dotted ("adapter.overrides.0"), empty for the whole document. */
export interface PlanProblem {
  readonly path: string
  readonly message: string
}

type Path = ReadonlyArray<PropertyKey>

const at = (path: Path, message: string): ReadonlyArray<PlanProblem> => [{ path: path.map(String).join("."), message }]

const suggestion = (found: unknown, words: ReadonlyArray<unknown>): string => {
  const near =
    typeof found === "string"
      ? closest(
          found,
          words.filter((word) => typeof word === "string")
        )
      : undefined
  return near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`
}

const mismatch = (path: Path, found: unknown, expected: string, words: ReadonlyArray<unknown> = []) =>
  at(path, `found ${showValue(found)}; expected ${expected}${suggestion(found, words)}`)

const unlike = (path: Path, found: unknown, ast: SchemaAST.AST) =>
  mismatch(path, found, expectedOf(ast), literalsOf(ast))

const unknownKey = (path: Path, ast: SchemaAST.AST): ReadonlyArray<PlanProblem> => {
  if (ast._tag === "Arrays") return at(path, `one entry too many; expected ${expectedOf(ast)}`)
  const allowed =
    ast._tag === "Objects"
      ? ast.propertySignatures.map(({ name }) => String(name)).filter((name) => name[0] !== "$")
      : []
  const near = closest(String(path.at(-1)), allowed)
  const hint = near === undefined ? "" : `; did you mean ${JSON.stringify(near)}?`
  return at(path, `unknown key${hint} (allowed: ${allowed.join(", ")})`)
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const union = (path: Path, issue: SchemaIssue.AnyOf, found: unknown): ReadonlyArray<PlanProblem> => {
  const tag = tagOf(issue.ast)
  if (tag !== undefined && isObject(found)) {
    const here = [...path, tag.key]
    if (!Object.hasOwn(found, tag.key)) return at(here, `missing; expected ${oneOf(tag.values)}`)
    const value = found[tag.key]
    if (!tag.values.some((allowed) => allowed === value)) return mismatch(here, value, oneOf(tag.values), tag.values)
    return issue.issues.flatMap((inner) => walk(path, inner, found, issue.ast))
  }
  // a list in the place of "a word or a list": what is wrong is inside the list, unless it is the list as a whole
  if (Array.isArray(found) && found.length > 0) {
    const inner = issue.issues
      .filter((one) => one._tag === "Composite")
      .flatMap((one) => walk(path, one, found, issue.ast))
    if (inner.length > 0) return inner
  }
  return unlike(path, found, issue.ast)
}

const pointer = (path: Path, issue: SchemaIssue.Pointer, parent: SchemaAST.AST): ReadonlyArray<PlanProblem> => {
  const inside = [...path, ...issue.path]
  if (issue.issue._tag !== "MissingKey") return walk(inside, issue.issue, undefined, parent)
  const property = propertyOf(parent, issue.path[0])
  return property === undefined
    ? at(path, `too short; expected ${expectedOf(parent)}`)
    : at(inside, `missing; expected ${expectedOf(property)}`)
}

/** `found` and `parent` are those of the nearest enclosing node: leaves below a check carry neither. */
const walk = (
  path: Path,
  issue: SchemaIssue.Issue,
  found: unknown,
  parent: SchemaAST.AST
): ReadonlyArray<PlanProblem> => {
  const value = "input" in issue ? issue.input : found
  switch (issue._tag) {
    case "Composite":
      return issue.issues.flatMap((inner) => walk(path, inner, value, issue.ast))
    case "Pointer":
      return pointer(path, issue, parent)
    case "Encoding":
      return walk(path, issue.issue, value, issue.ast)
    case "AnyOf":
      return union(path, issue, value)
    case "Filter":
      return mismatch(path, value, expectedOf(parent, issue.filter))
    case "UnexpectedKey":
      return unknownKey(path, issue.ast)
    case "InvalidType":
      return unlike(path, value, issue.ast)
    default:
      return unlike(path, value, parent)
  }
}

/** Every problem of a failed decode, each said once. `root` is the schema's AST. */
export const problemsOf = (issue: SchemaIssue.Issue, root: SchemaAST.AST): ReadonlyArray<PlanProblem> => {
  const seen = new Map<string, PlanProblem>()
  for (const problem of walk([], issue, undefined, root)) seen.set(`${problem.path}: ${problem.message}`, problem)
  return [...seen.values()]
}
