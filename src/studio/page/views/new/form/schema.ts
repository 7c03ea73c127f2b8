/**
 * The JSON Schema of plans, as far as a form needs it: what a value is edited with. Plain functions over plain data, so that a new method,
 * kind or optimizer in the schema appears in the form.
 */
import { capital } from "../../../../../boundary/index.ts"
export interface Schema {
  readonly [keyword: string]: unknown
}

/** One of several objects with different values of one key. */
export interface Variant {
  readonly value: string
  readonly schema: Schema
}

/** Input type of a value. */
export type Shape =
  | {
      readonly kind: "object"
      readonly fields: Readonly<Record<string, Schema>>
      readonly required: ReadonlyArray<string>
    }
  /** objects with different values of `key` */
  | { readonly kind: "variants"; readonly key: string; readonly variants: ReadonlyArray<Variant> }
  | { readonly kind: "choice"; readonly values: ReadonlyArray<string> }
  | { readonly kind: "boolean" }
  /** a text, a number, or one of the words */
  | {
      readonly kind: "word"
      readonly isText: boolean
      readonly isNumber: boolean
      readonly words: ReadonlyArray<string>
      readonly range: string | undefined
    }
  /** several texts or numbers; or in their place one of the words, or with `isOneText` a single text */
  | {
      readonly kind: "lines"
      readonly words: ReadonlyArray<string>
      readonly isNumber: boolean
      readonly isOneText: boolean
    }
  | { readonly kind: "tuple"; readonly items: ReadonlyArray<Schema> }
  | { readonly kind: "objects"; readonly item: Schema }
  /** anything else */
  | { readonly kind: "json" }

const list = (value: unknown): ReadonlyArray<Schema> => (Array.isArray(value) ? (value as ReadonlyArray<Schema>) : [])

/** The target of a reference; any other schema unchanged. */
export const followed = (schema: Schema, root: Schema): Schema => {
  const { $ref: reference } = schema
  if (typeof reference !== "string") return schema
  const { $defs } = root as { readonly $defs?: Readonly<Record<string, Schema>> }
  return $defs?.[reference.slice("#/$defs/".length)] ?? {}
}

const propertiesOf = ({ properties }: Schema): Readonly<Record<string, Schema>> =>
  (properties ?? {}) as Readonly<Record<string, Schema>>

const enumOf = (schema: Schema): ReadonlyArray<string> => list(schema["enum"]).map(String)

/** The key that all of these objects have with a single value each, another in each. */
const tagOf = (alternatives: ReadonlyArray<Schema>, root: Schema): string | undefined => {
  const [first] = alternatives
  if (first === undefined) return undefined
  return Object.keys(propertiesOf(first)).find((key) =>
    alternatives.every((alternative) => {
      const property = propertiesOf(alternative)[key]
      return property !== undefined && enumOf(followed(property, root)).length === 1
    })
  )
}

const variantsOf = (alternatives: ReadonlyArray<Schema>, key: string, root: Schema): ReadonlyArray<Variant> =>
  alternatives.map((schema) => ({ value: enumOf(followed(propertiesOf(schema)[key]!, root))[0]!, schema }))

/** "from 1 to 1024", "more than 0", "at least 0, less than 1" */
const rangeOf = (schema: Schema): string | undefined => {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = schema
  if (minimum !== undefined && maximum !== undefined) return `from ${minimum} to ${maximum}`
  const parts = [
    minimum === undefined ? undefined : `at least ${minimum}`,
    above === undefined ? undefined : `more than ${above}`,
    maximum === undefined ? undefined : `at most ${maximum}`,
    below === undefined ? undefined : `less than ${below}`
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? undefined : parts.join(", ")
}

const isNumeric = ({ type }: Schema): boolean => type === "number" || type === "integer"
const isText = (schema: Schema): boolean => schema["type"] === "string" && enumOf(schema).length === 0

const alternativesShape = (all: ReadonlyArray<Schema>, root: Schema): Shape => {
  const alternatives = all.map((alternative) => followed(alternative, root)).filter(({ type }) => type !== "null")
  const key = tagOf(alternatives, root)
  if (key !== undefined && alternatives.length > 1)
    return { kind: "variants", key, variants: variantsOf(alternatives, key, root) }
  if (alternatives.length === 1) return shapeOf(alternatives[0]!, root)
  const words = alternatives.flatMap(enumOf)
  const withoutEnum = alternatives.filter((alternative) => enumOf(alternative).length === 0)
  if (withoutEnum.every((alternative) => isNumeric(alternative) || isText(alternative))) {
    const number = withoutEnum.find(isNumeric)
    return {
      kind: "word",
      isText: withoutEnum.some(isText),
      isNumber: number !== undefined,
      words,
      range: number === undefined ? undefined : rangeOf(number)
    }
  }
  const isOneText = withoutEnum.some(isText)
  const [only, ...more] = withoutEnum
    .filter((alternative) => !isText(alternative))
    .map((alternative) => shapeOf(alternative, root))
  return only?.kind === "lines" && more.length === 0 ? { ...only, words, isOneText } : { kind: "json" }
}

const listShape = (schema: Schema, root: Schema): Shape => {
  const { prefixItems, items } = schema
  if (prefixItems !== undefined) return { kind: "tuple", items: list(prefixItems) }
  const item = followed((items ?? {}) as Schema, root)
  const shape = shapeOf(item, root)
  if (shape.kind === "object" || shape.kind === "variants") return { kind: "objects", item }
  if (shape.kind === "word") return { kind: "lines", words: [], isNumber: shape.isNumber, isOneText: false }
  return shape.kind === "choice" ? { kind: "lines", words: [], isNumber: false, isOneText: false } : { kind: "json" }
}

export const shapeOf = (declared: Schema, root: Schema): Shape => {
  const schema = followed(declared, root)
  const { anyOf, type, properties, required } = schema
  if (anyOf !== undefined) return alternativesShape(list(anyOf), root)
  const values = enumOf(schema)
  if (values.length > 0) return { kind: "choice", values }
  if (type === "boolean") return { kind: "boolean" }
  if (isNumeric(schema)) return { kind: "word", isText: false, isNumber: true, words: [], range: rangeOf(schema) }
  if (type === "string") return { kind: "word", isText: true, isNumber: false, words: [], range: undefined }
  if (type === "array") return listShape(schema, root)
  if (type === "object" && properties !== undefined) {
    return {
      kind: "object",
      fields: propertiesOf(schema),
      required: Array.isArray(required) ? (required as Array<string>) : []
    }
  }
  return { kind: "json" }
}

/**
 * The schema of a plan as one object: that of the kind which its data's format names, with the data of every kind to choose from. The key
 * of the choice is found, not known.
 */
export const planSchema = (root: Schema, plan: Readonly<Record<string, unknown>>): Schema => {
  const kinds = list(root["anyOf"]).map((kindSchema) => followed(kindSchema, root))
  const alternatives = (kind: Schema, section: string): ReadonlyArray<Schema> => {
    const resolved = followed(propertiesOf(kind)[section] ?? {}, root)
    return resolved["anyOf"] === undefined
      ? [resolved]
      : list(resolved["anyOf"]).map((alternative) => followed(alternative, root))
  }
  for (const section of Object.keys(propertiesOf(kinds[0] ?? {}))) {
    const all = kinds.flatMap((kind) => alternatives(kind, section))
    const key = tagOf(all, root)
    const values = key === undefined ? [] : variantsOf(all, key, root).map(({ value }) => value)
    if (key === undefined || new Set(values).size < values.length) continue
    const here = (plan[section] as Readonly<Record<string, unknown>> | undefined)?.[key]
    const kind = kinds.find((candidate) =>
      variantsOf(alternatives(candidate, section), key, root).some(({ value }) => value === here)
    )
    const chosen = kind ?? kinds[0]!
    return {
      ...chosen,
      properties: {
        ...propertiesOf(chosen),
        [section]: { anyOf: all, description: "Format and location of the rows." }
      }
    }
  }
  return kinds[0] ?? {}
}

/** "learningRate" → "Learning rate" */
export const labelOf = (key: string): string => {
  const words = key.replace(/([a-z\d])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
  return capital(words)
}

export const descriptionOf = (schema: Schema, root: Schema): string => {
  const { description } = followed(schema, root)
  return typeof description === "string" ? description : ""
}

/** The default of a field, such as `8` or `"standard"`; undefined if it has no default. */
export const defaultOf = (schema: Schema, root: Schema): unknown => followed(schema, root)["default"]

/** The values that a variant keeps of another one: those of shared keys. */
export const moved = (value: Readonly<Record<string, unknown>>, key: string, { value: tag, schema }: Variant) => {
  const fields = propertiesOf(schema)
  return { ...Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(fields, name))), [key]: tag }
}
