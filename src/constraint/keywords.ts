/**
 * Reads JSON Schema keywords: the constraints of a single schema, without its combinations.
 *
 * Unsupported keywords are reported with their place in the schema; they are never ignored.
 */
import { isRecord } from "../boundary/index.ts"
import type { NumberLimits } from "./numbers.ts"

export type Type = "null" | "boolean" | "number" | "string" | "array" | "object"

/** A part of a schema, with its JSON pointer. */
export interface Located {
  readonly schema: unknown
  readonly path: string
}

/** Object keywords of one schema: what applies to a key depends on the properties that this schema declares. */
export interface ObjectPart {
  readonly properties: ReadonlyMap<string, Located>
  /** schema of undeclared properties; null: not specified */
  readonly additional: Located | null
}

/** Array keywords of one schema. */
export interface ArrayPart {
  readonly prefix: ReadonlyArray<Located>
  readonly items: Located | null
}

/** One alternative of a schema. */
export interface Variant extends NumberLimits {
  readonly types: ReadonlySet<Type>
  /** the only values, by `enum` and `const`; null: any of the types */
  readonly values: ReadonlyArray<unknown> | null
  readonly minLength: number
  readonly maxLength: number
  readonly patterns: ReadonlyArray<string>
  readonly minItems: number
  readonly maxItems: number
  readonly arrays: ReadonlyArray<ArrayPart>
  readonly required: ReadonlySet<string>
  readonly minProperties: number
  readonly maxProperties: number
  readonly names: ReadonlyArray<Located>
  readonly objects: ReadonlyArray<ObjectPart>
  readonly path: string
}

/** Receives a problem: a JSON pointer and a sentence without its full stop. */
export type Report = (path: string, sentence: string) => void

const types = ["null", "boolean", "number", "string", "array", "object"] as const
const infinity = Number.POSITIVE_INFINITY

/** Returns the variant of a schema without keywords. */
export const anything = (path: string): Variant => ({
  types: new Set(types),
  values: null,
  integer: false,
  minimum: -infinity,
  exclusiveMinimum: -infinity,
  maximum: infinity,
  exclusiveMaximum: infinity,
  multiples: [],
  minLength: 0,
  maxLength: infinity,
  patterns: [],
  minItems: 0,
  maxItems: infinity,
  arrays: [],
  required: new Set(),
  minProperties: 0,
  maxProperties: infinity,
  names: [],
  objects: [],
  path
})

export const typeOf = (value: unknown): Type =>
  value === null ? "null" : Array.isArray(value) ? "array" : (typeof value as Type)

/** Returns whether two JSON values are equal, ignoring the order of keys. */
export const equal = (a: unknown, b: unknown): boolean => {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, i) => equal(one, b[i]))
  if (!isRecord(a) || !isRecord(b)) return a === b
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]))
}

/** Returns the conjunction of two variants. */
export const merged = (a: Variant, b: Variant): Variant => {
  const both = a.types.intersection(b.types)
  const values =
    a.values === null
      ? b.values
      : b.values === null
        ? a.values
        : a.values.filter((one) => b.values!.some((other) => equal(one, other)))
  return {
    types: both,
    values,
    integer: a.integer || b.integer,
    minimum: Math.max(a.minimum, b.minimum),
    exclusiveMinimum: Math.max(a.exclusiveMinimum, b.exclusiveMinimum),
    maximum: Math.min(a.maximum, b.maximum),
    exclusiveMaximum: Math.min(a.exclusiveMaximum, b.exclusiveMaximum),
    multiples: [...a.multiples, ...b.multiples],
    minLength: Math.max(a.minLength, b.minLength),
    maxLength: Math.min(a.maxLength, b.maxLength),
    patterns: [...new Set([...a.patterns, ...b.patterns])],
    minItems: Math.max(a.minItems, b.minItems),
    maxItems: Math.min(a.maxItems, b.maxItems),
    arrays: [...a.arrays, ...b.arrays],
    required: a.required.union(b.required),
    minProperties: Math.max(a.minProperties, b.minProperties),
    maxProperties: Math.min(a.maxProperties, b.maxProperties),
    names: [...a.names, ...b.names],
    objects: [...a.objects, ...b.objects],
    path: a.path
  }
}

const leap = "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29"
const date = `(?:${leap}|\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8])))`
const time = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
const atom = "[A-Za-z0-9_+-]+"
const label = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
const byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"

/** Formats, as patterns that match whole strings. */
const formats: Readonly<Record<string, string>> = {
  date: `^${date}$`,
  time: `^${time}$`,
  "date-time": `^${date}T${time}$`,
  uuid: "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
  email: `^${atom}(?:\\.${atom})*@(?:${label}\\.)+[A-Za-z]{2,}$`,
  ipv4: `^${byte}(?:\\.${byte}){3}$`
}

interface Reading {
  readonly schema: Readonly<Record<string, unknown>>
  readonly path: string
  readonly report: Report
}

type Changes = Partial<Variant>
type Keyword = (value: unknown, reading: Reading) => Changes | string

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const count =
  (field: keyof Variant): Keyword =>
  (value) =>
    isCount(value) ? { [field]: value } : "expected a count"
const bound =
  (field: keyof Variant): Keyword =>
  (value) =>
    typeof value === "number" && Number.isFinite(value) ? { [field]: value } : "expected a number"
const isTypeName = (value: unknown) => value === "integer" || types.some((type) => type === value)
const isStrings = (value: unknown): value is ReadonlyArray<string> =>
  Array.isArray(value) && value.every((one) => typeof one === "string")
const unsupported: Keyword = () => "is not supported"
const unless =
  (harmless: (value: unknown) => boolean): Keyword =>
  (value) =>
    harmless(value) ? {} : "is not supported"

/** What a keyword says, or the end of a sentence about it. Keywords that are not in the table are descriptions. */
const keywords: Readonly<Record<string, Keyword>> = {
  type: (value) => {
    const named: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
    if (named.length === 0 || !named.every(isTypeName)) return "expected a type of JSON Schema, or a list of them"
    const whole = named.includes("integer") && !named.includes("number")
    return { types: new Set(named.map((one) => (one === "integer" ? "number" : (one as Type)))), integer: whole }
  },
  enum: (value) => (Array.isArray(value) ? { values: value } : "expected a list"),
  const: (value) => ({ values: [value] }),
  minimum: bound("minimum"),
  maximum: bound("maximum"),
  exclusiveMinimum: bound("exclusiveMinimum"),
  exclusiveMaximum: bound("exclusiveMaximum"),
  multipleOf: (value) =>
    isCount(value) && value > 0 ? { integer: true, multiples: [value] } : "is supported for integers above 0 only",
  minLength: count("minLength"),
  maxLength: count("maxLength"),
  pattern: (value) => (typeof value === "string" ? { patterns: [value] } : "expected a regular expression"),
  format: (value, { schema }) => {
    // who writes both writes the format's pattern
    if (schema["pattern"] !== undefined) return {}
    if (typeof value === "string" && Object.hasOwn(formats, value)) return { patterns: [formats[value]!] }
    return `${JSON.stringify(value)} is not supported (${Object.keys(formats).join(", ")} are)`
  },
  minItems: count("minItems"),
  maxItems: count("maxItems"),
  required: (value) => (isStrings(value) ? { required: new Set(value) } : "expected a list of names"),
  minProperties: count("minProperties"),
  maxProperties: count("maxProperties"),
  propertyNames: (value, { path }) => ({ names: [{ schema: value, path: `${path}/propertyNames` }] }),
  uniqueItems: unless((value) => value === false),
  unevaluatedProperties: unless((value) => value === true || (isRecord(value) && Object.keys(value).length === 0)),
  unevaluatedItems: unless((value) => value === true || (isRecord(value) && Object.keys(value).length === 0)),
  patternProperties: unless((value) => isRecord(value) && Object.keys(value).length === 0),
  ...Object.fromEntries(
    ["not", "if", "then", "else", "contains", "minContains", "maxContains", "dependencies"].map((name) => [
      name,
      unsupported
    ])
  ),
  ...Object.fromEntries(
    ["dependentRequired", "dependentSchemas", "$dynamicRef", "$recursiveRef"].map((name) => [name, unsupported])
  )
}

/** Returns the JSON pointer of a key. */
export const under = (path: string, key: string | number): string =>
  `${path}/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`

const isSchema = (value: unknown) => typeof value === "boolean" || isRecord(value)

/** Reads the keywords of a schema. */
export const ownOf = ({ schema, path, report }: Reading): Variant => {
  let variant = anything(path)
  const wrong = (key: string, sentence: string) => report(under(path, key), `${key} ${sentence}`)
  for (const [key, value] of Object.entries(schema)) {
    const keyword = Object.hasOwn(keywords, key) ? keywords[key]! : undefined
    const changes = keyword?.(value, { schema, path, report }) ?? {}
    if (typeof changes === "string") wrong(key, changes.startsWith("expected") ? `is not valid; ${changes}` : changes)
    else if (Object.keys(changes).length > 0) variant = merged(variant, { ...anything(path), ...changes })
  }
  const located = (key: string, value: unknown = schema[key]): Located | null => {
    if (value === undefined) return null
    if (!isSchema(value)) wrong(key, "is not valid; expected a schema")
    return { schema: value, path: under(path, key) }
  }
  const { properties = {}, additionalProperties, prefixItems, items, additionalItems } = schema
  if (!isRecord(properties)) wrong("properties", "is not valid; expected an object of schemas")
  else if ("properties" in schema || additionalProperties !== undefined) {
    const named = Object.entries(properties).map(
      ([name, value]) => [name, { schema: value, path: under(`${path}/properties`, name) }] as const
    )
    variant = { ...variant, objects: [{ properties: new Map(named), additional: located("additionalProperties") }] }
  }
  const [listKey, list] = Array.isArray(items) ? ["items", items] : ["prefixItems", prefixItems]
  const rest = Array.isArray(items) ? located("additionalItems", additionalItems) : located("items")
  if (list !== undefined && !Array.isArray(list)) wrong(listKey, "is not valid; expected a list of schemas")
  else if (list !== undefined || rest !== null) {
    const prefix = ((list ?? []) as ReadonlyArray<unknown>).map((value, i) => ({
      schema: value,
      path: under(`${path}/${listKey}`, i)
    }))
    variant = { ...variant, arrays: [{ prefix, items: rest }] }
  }
  return variant
}
