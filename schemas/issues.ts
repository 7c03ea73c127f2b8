/**
 * What is wrong with a plan, in the words of plans: a walk over the decoder's issue tree. Loaded where options in code are wrong.
 *
 *   adapter.rnk: unknown key; did you mean "rank"? (allowed: method, rank, alpha, …)
 *   adapter.method: found "lorra"; expected one of "lora", "full", "none"; did you mean "lora"?
 *   adapter.rank: found 0; expected an integer from 1 to 1024
 *
 * The library's own formatter prints one message per check and, for an unknown tag, nothing but the whole object. Here a wrong tag
 * is reported at the tag alone, since the other keys mean nothing before it is right; and a value that fails
 * several checks of one field is reported once, with the field's own words (`expected` in fields.ts).
 */
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import { isRecord } from "../src/boundary/index.ts"
import { mismatchProblem, oneOf, type PlanProblem, unknownKeyProblem } from "./problems.ts"

// What a schema expects ("an integer from 1 to 1024") and what was found, each short enough for one line. A phrase comes from the
// `expected` annotation (fields.ts) where there is one, else from the schema's structure.

const annotated = (annotations: { readonly [key: string]: unknown } | undefined): string | undefined =>
  typeof annotations?.["expected"] === "string" ? annotations["expected"] : undefined

/** Returns the literal values that a schema allows: of a literal, or of a union with literals. */
export const literalsOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.LiteralValue> =>
  ast._tag === "Literal" ? [ast.literal] : ast._tag === "Union" ? ast.types.flatMap(literalsOf) : []

/** Returns the schema of a struct's key, or undefined for lists and unknown keys. */
export const propertyOf = (ast: SchemaAST.AST, key: PropertyKey | undefined): SchemaAST.AST | undefined =>
  ast._tag === "Objects" ? ast.propertySignatures.find(({ name }) => name === key)?.type : undefined

/** Returns the key that distinguishes the members of a union of structs, and its values. */
export const tagOf = (
  ast: SchemaAST.AST
): { readonly key: string; readonly values: ReadonlyArray<SchemaAST.LiteralValue> } | undefined => {
  if (ast._tag !== "Union") return undefined
  const [first] = ast.types
  if (first?._tag !== "Objects") return undefined
  const key = first.propertySignatures.find(({ name }) =>
    ast.types.every((type) => propertyOf(type, name)?._tag === "Literal")
  )?.name
  if (typeof key !== "string") return undefined
  return { key, values: ast.types.flatMap((type) => literalsOf(propertyOf(type, key)!)) }
}

/** Returns what a schema, or one of its checks, expects, as a noun phrase. */
export const expectedOf = (ast: SchemaAST.AST, check?: SchemaAST.Filter<unknown>): string => {
  const phrase =
    annotated(check?.annotations) ?? annotated(ast.checks?.at(-1)?.annotations) ?? annotated(ast.annotations)
  if (phrase !== undefined) return phrase
  const tag = tagOf(ast)
  if (tag !== undefined) return `an object whose "${tag.key}" is ${oneOf(tag.values)}`
  if (ast._tag === "Literal") return JSON.stringify(ast.literal)
  if (ast._tag === "Union") {
    const literals = literalsOf(ast)
    return literals.length === ast.types.length
      ? oneOf(literals)
      : ast.types.map((type) => expectedOf(type)).join(" or ")
  }
  if (ast._tag === "Objects") return objectPhrase(ast)
  return ast._tag === "Arrays" ? "a list" : ast._tag.toLowerCase()
}

const objectPhrase = (ast: SchemaAST.Objects): string => {
  // a key with a default is a transformation (absent → default), hence has an encoding
  const required = ast.propertySignatures.filter(
    ({ type }) => type.encoding === undefined && type.context?.isOptional !== true
  )
  const names = required.map(({ name }) => JSON.stringify(name)).join(", ")
  return names === "" ? "an object" : `an object with ${names}`
}

type Path = ReadonlyArray<PropertyKey>

/** Found one by one: a document may hold half a million problems, and the first must not wait for the last. */
type Problems = Generator<PlanProblem, void>

function* at(path: Path, message: string): Problems {
  yield { path: path.map(String).join("."), message }
}

const mismatch = (path: Path, found: unknown, expected: string, words: ReadonlyArray<unknown> = []) =>
  at(path, mismatchProblem(found, expected, words))

const unlike = (path: Path, found: unknown, ast: SchemaAST.AST) =>
  mismatch(path, found, expectedOf(ast), literalsOf(ast))

const unknownKey = (path: Path, ast: SchemaAST.AST): Problems => {
  if (ast._tag === "Arrays") return at(path, `one entry too many; expected ${expectedOf(ast)}`)
  const allowed =
    ast._tag === "Objects"
      ? ast.propertySignatures.map(({ name }) => String(name)).filter((name) => name[0] !== "$")
      : []
  return at(path, unknownKeyProblem(String(path.at(-1)), allowed))
}

const tagged = (
  path: Path,
  issue: SchemaIssue.AnyOf,
  found: Record<string, unknown>,
  tag: NonNullable<ReturnType<typeof tagOf>>
): Problems => {
  const here = [...path, tag.key]
  if (!Object.hasOwn(found, tag.key)) return at(here, `missing; expected ${oneOf(tag.values)}`)
  const value = found[tag.key]
  if (!tag.values.some((allowed) => allowed === value)) return mismatch(here, value, oneOf(tag.values), tag.values)
  return all(path, issue.issues, found, issue.ast)
}

function* union(path: Path, issue: SchemaIssue.AnyOf, found: unknown): Problems {
  const tag = tagOf(issue.ast)
  if (tag !== undefined && isRecord(found)) return yield* tagged(path, issue, found, tag)
  // a list for "a word or a list": what is wrong is inside the list, unless it is the list as a whole
  if (Array.isArray(found) && found.length > 0) {
    const composites = issue.issues.filter((one) => one._tag === "Composite")
    let inside = false
    for (const problem of all(path, composites, found, issue.ast)) {
      inside = true
      yield problem
    }
    if (inside) return
  }
  yield* unlike(path, found, issue.ast)
}

const pointer = (path: Path, issue: SchemaIssue.Pointer, parent: SchemaAST.AST): Problems => {
  const inside = [...path, ...issue.path]
  if (issue.issue._tag !== "MissingKey") return walk(inside, issue.issue, undefined, parent)
  const property = propertyOf(parent, issue.path[0])
  return property === undefined
    ? at(path, `too short; expected ${expectedOf(parent)}`)
    : at(inside, `missing; expected ${expectedOf(property)}`)
}

/** `found` and `parent` are those of the nearest enclosing node: leaves below a check carry neither. */
const walk = (path: Path, issue: SchemaIssue.Issue, found: unknown, parent: SchemaAST.AST): Problems => {
  const value = "input" in issue ? issue.input : found
  switch (issue._tag) {
    case "Composite":
      return all(path, issue.issues, value, issue.ast)
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

function* all(path: Path, issues: ReadonlyArray<SchemaIssue.Issue>, found: unknown, parent: SchemaAST.AST): Problems {
  for (const issue of issues) yield* walk(path, issue, found, parent)
}

/** Maximum number of problems that are reported per document. */
export const mostProblems = 1_000

/** Returns the distinct problems of a failed decode, `mostProblems` at most. `root` is the schema's AST. */
export const problemsOf = (issue: SchemaIssue.Issue, root: SchemaAST.AST): ReadonlyArray<PlanProblem> => {
  const seen = new Map<string, PlanProblem>()
  for (const problem of walk([], issue, undefined, root)) {
    seen.set(`${problem.path}: ${problem.message}`, problem)
    if (seen.size === mostProblems) break
  }
  return [...seen.values()]
}
