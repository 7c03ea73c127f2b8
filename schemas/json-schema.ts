/**
 * The JSON Schema of plans (2020-12), for editors: completion, hover text and red lines while a plan is typed.
 *
 * Generated from the schema that decodes, so the two cannot disagree about structure. Rules between fields (run-plan.ts) have no
 * JSON Schema; `validate` checks them. `run-plan.schema.json` and `adaptation-plan.schema.json` in this folder are its output, written
 * by `schema` and `schema --adaptation`.
 *
 * Effect writes every section out wherever it is used. Here what has a title or occurs more than once moves to `$defs` (run plans:
 * 95 kB without white space become 30), and every field is one line of the file.
 */
import * as Schema from "effect/Schema"
import { AdaptationPlan } from "./adaptation-plan.ts"
import { strict } from "./fields.ts"
import { RunPlan } from "./run-plan.ts"

interface JsonSchema {
  readonly [keyword: string]: unknown
}

type Change = (child: JsonSchema, name: string) => JsonSchema

/** The property that a union's alternative is recognised by: the one with a single value. */
const tagOf = ({ properties }: JsonSchema): { readonly key: string; readonly value: string } | undefined => {
  for (const [key, field] of Object.entries((properties ?? {}) as { readonly [key: string]: JsonSchema })) {
    if (Array.isArray(field["enum"]) && field["enum"].length === 1) return { key, value: String(field["enum"][0]) }
  }
  return undefined
}

const changeEach = (schemas: unknown, name: string, change: Change) =>
  (schemas as ReadonlyArray<JsonSchema>).map((one) => change(one, tagOf(one)?.value ?? name))

/** The keywords whose operands hold schemas. `name` is the parent's. */
const keywords: { readonly [keyword: string]: (operand: unknown, name: string, change: Change) => unknown } = {
  properties: (operand, _name, change) =>
    Object.fromEntries(
      Object.entries(operand as JsonSchema).map(([key, one]) => [key, change(one as JsonSchema, key)])
    ),
  // false closes a tuple
  items: (operand, name, change) => (operand === false ? operand : change(operand as JsonSchema, `${name}Item`)),
  prefixItems: changeEach,
  anyOf: changeEach
}

/** The schema with `change` applied to those directly inside it. */
const mapChildren = (schema: JsonSchema, name: string, change: Change): JsonSchema =>
  Object.fromEntries(
    Object.entries(schema).map(([keyword, operand]) => [
      keyword,
      keywords[keyword] === undefined ? operand : keywords[keyword](operand, name, change)
    ])
  )

/**
 * Gives a tag without a description that of its alternative, which editors show next to the tag's value, and leaves out the bound that
 * every integer has.
 */
const forReaders = ({ maximum, ...schema }: JsonSchema): JsonSchema => {
  const tag = tagOf(schema)
  const bound = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum }
  return mapChildren({ ...schema, ...bound }, "", (child, key) => {
    const inner = forReaders(child)
    return key === tag?.key ? { ...inner, description: inner["description"] ?? schema["description"] } : inner
  })
}

/** Characters from which a schema that occurs twice is worth a definition; a reference takes about 35. */
const LEAST = 60

/** A title or a key as a definition's name, without what a JSON pointer would have to escape: LoRA+ is LoRAPlus. */
const nameOf = (text: string): string =>
  text.replaceAll("+", "Plus").replace(/[^A-Za-z0-9]+(.?)/g, (_, next: string) => next.toUpperCase())

/** Moves what has a title or occurs more than once to `$defs`, under its title, its tag, or the key that it is first found under. */
const withDefinitions = (document: JsonSchema): JsonSchema => {
  const uses = new Map<string, number>()
  const count: Change = (schema) => {
    const text = JSON.stringify(schema)
    const before = uses.get(text) ?? 0
    uses.set(text, before + 1)
    // what is inside a definition is written once, however often the definition is used
    return before === 0 ? mapChildren(schema, "", count) : schema
  }
  count(document, "")
  const definitions = new Map<string, JsonSchema>()
  const names = new Map<string, string>()
  const define: Change = (schema, key) => {
    const text = JSON.stringify(schema)
    const { title } = schema
    if (title === undefined && (uses.get(text) === 1 || text.length < LEAST)) return mapChildren(schema, key, define)
    if (!names.has(text)) {
      const base = nameOf(typeof title === "string" ? title : key)
      let name = base
      for (let n = 2; definitions.has(name); n++) name = `${base}${n}`
      names.set(text, name)
      definitions.set(name, {}) // takes its place before the definitions inside it
      definitions.set(name, mapChildren(schema, key, define))
    }
    return { $ref: `#/$defs/${names.get(text)}` }
  }
  const root = mapChildren(document, "", define)
  return { ...root, $defs: Object.fromEntries(definitions) }
}

/** Effect keeps checks with an annotation of ours in `allOf`; here they are in the schema itself. */
const merged = ({ allOf = [], ...schema }: JsonSchema): JsonSchema => {
  const checks = allOf as ReadonlyArray<JsonSchema>
  return mapChildren(Object.assign({}, schema, ...checks), "", merged)
}

/**
 * Returns the JSON Schema of a plan without `$defs` and with the units of counts, from which scripts/plan-reference.ts writes
 * docs/plan-reference.md.
 */
export const writtenOut = (plan: Schema.Top): JsonSchema => {
  const includeAnnotationKey = (key: string) => key === "unit"
  const { schema } = Schema.toJsonSchemaDocument(plan, {
    onExcessProperty: strict.onExcessProperty,
    includeAnnotationKey
  })
  return forReaders(merged(schema))
}

/** A JSON Schema document that accepts what the decoder's structural pass accepts. */
const documentOf = (plan: Schema.Top): JsonSchema => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(plan, { onExcessProperty: strict.onExcessProperty })
  const named = Object.keys(definitions)
  if (named.length > 0) throw new Error(`definitions are made here, not by identifiers: ${named.join(", ")}`)
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...withDefinitions(forReaders(schema)) }
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

const holdsObjects = (value: object): boolean =>
  Object.values(value).some((item) => isObject(item) && (!Array.isArray(item) || holdsObjects(item)))

/** Most characters of a line for a value that holds objects, as the sources have it. */
const WIDTH = 120

/** JSON with one line for each value that holds no object, or is short. */
const printed = (value: unknown, indent = ""): string => {
  if (!isObject(value)) return JSON.stringify(value)
  const list = Array.isArray(value)
  const inner = `${indent}  `
  const parts = Object.entries(value).map(
    ([key, item]) => `${list ? "" : `${JSON.stringify(key)}: `}${printed(item, inner)}`
  )
  const line = list ? `[${parts.join(", ")}]` : `{ ${parts.join(", ")} }`
  if (!holdsObjects(value) || (indent.length + line.length <= WIDTH && !line.includes("\n"))) return line
  const lines = parts.map((part) => inner + part).join(",\n")
  return list ? `[\n${lines}\n${indent}]` : `{\n${lines}\n${indent}}`
}

const textOf = (document: JsonSchema): string => `${printed(document)}\n`

/** Returns the JSON Schema (2020-12) of run plans. */
export const runPlanJsonSchema = (): JsonSchema => documentOf(RunPlan)

/** Returns the text of run-plan.schema.json. */
export const runPlanJsonSchemaText = (): string => textOf(runPlanJsonSchema())

/** Returns the JSON Schema (2020-12) of adaptation plans. */
export const adaptationPlanJsonSchema = (): JsonSchema => documentOf(AdaptationPlan)

/** Returns the text of adaptation-plan.schema.json. */
export const adaptationPlanJsonSchemaText = (): string => textOf(adaptationPlanJsonSchema())
