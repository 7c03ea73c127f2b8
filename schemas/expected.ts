/**
 * Phrases for errors: what a schema expects ("an integer from 1 to 1024") and what was found, each short enough for one line.
 *
 * A phrase comes from the `expected` annotation (fields.ts) where there is one, else from the schema's structure.
 */
import type * as SchemaAST from "effect/SchemaAST"

const longestShown = 60 // characters of a found value; the rest of the line belongs to the path and the expectation

const annotated = (annotations: { readonly [key: string]: unknown } | undefined): string | undefined =>
  typeof annotations?.["expected"] === "string" ? annotations["expected"] : undefined

/** A choice in words: `one of "a", "b"`. */
export const oneOf = (values: ReadonlyArray<unknown>): string => {
  const words = values.map((value) => JSON.stringify(value)).join(", ")
  return values.length > 1 ? `one of ${words}` : words
}

/** The literal values a schema allows: those of a literal or of a union of literals (and others). */
export const literalsOf = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.LiteralValue> =>
  ast._tag === "Literal" ? [ast.literal] : ast._tag === "Union" ? ast.types.flatMap(literalsOf) : []

/** The schema of a struct's key, or undefined (for a list, or no such key). */
export const propertyOf = (ast: SchemaAST.AST, key: PropertyKey | undefined): SchemaAST.AST | undefined =>
  ast._tag === "Objects" ? ast.propertySignatures.find(({ name }) => name === key)?.type : undefined

/** The key that tells the members of a union of structs apart, and its values. */
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

/** What a schema (or one of its checks) expects, as a noun phrase. */
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

/** A found value on one line, as JSON where JSON can say it. */
export const showValue = (value: unknown): string => {
  if (Object.is(value, -0)) return "-0"
  if (typeof value === "number" || typeof value === "bigint" || value === undefined) return String(value)
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`
  const shown = JSON.stringify(value) ?? String(value)
  return shown.length > longestShown ? `${shown.slice(0, longestShown - 1)}…` : shown
}
