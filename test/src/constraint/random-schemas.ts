/** Random JSON Schemas with bounded strings and arrays, and the same as Effect Schemas where these can say it. */
import * as Schema from "effect/Schema"
import type { Random } from "../../../src/numbers/index.ts"

export type AnySchema = Schema.Codec<unknown, unknown>

export interface RandomSchema {
  readonly json: unknown
  /** null: not made */
  readonly effect: AnySchema | null
}

const names = ["a", "b", "key", "name", "é", 'q"t', "a b", "x/y", "日本"]
const words = ["a", "ab", "abc", "", "é", "😀", 'say "a"', "\n", "true", "日本語", "\\"]
const patterns = [
  "^a+b?$",
  "^[a-c]{2,4}$",
  "^(?:é|日本|😀)+$",
  '^[^"\\\\]{1,5}$',
  "^\\d{3}-\\d{2}$",
  "a",
  "^[\\w.]+@a\\.[a-z]{2}$",
  "^$|^x",
  "^[\\u0000-\\u001f]{1,2}$"
]
const formats = ["date", "uuid", "time"]

export const randomSchema = (random: Random): RandomSchema => {
  const definitions: Record<string, unknown> = {}
  const integer = (below: number) => Math.floor(random() * below)
  const pick = <T>(all: ReadonlyArray<T>): T => all[integer(all.length)]!
  const some = <T>(all: ReadonlyArray<T>, most: number): ReadonlyArray<T> => {
    const chosen = new Set<T>()
    for (let i = integer(most) + 1; i > 0; i--) chosen.add(pick(all))
    return [...chosen]
  }

  const text = (): RandomSchema => {
    const [min, more] = [integer(4), integer(5)]
    if (random() < 0.3) {
      const pattern = pick(patterns)
      const json = { type: "string", pattern, maxLength: 12 }
      return { json, effect: Schema.String.check(Schema.isPattern(new RegExp(pattern, "u")), Schema.isMaxLength(12)) }
    }
    if (random() < 0.1) return { json: { type: "string", format: pick(formats) }, effect: null }
    if (random() < 0.3) {
      const json = { type: "string", allOf: [{ minLength: min }, { maxLength: min + more }] }
      return { json, effect: Schema.String.check(Schema.isMinLength(min), Schema.isMaxLength(min + more)) }
    }
    const json = { type: "string", minLength: min, maxLength: min + more }
    return { json, effect: Schema.String.check(Schema.isMinLength(min), Schema.isMaxLength(min + more)) }
  }
  const number = (): RandomSchema => {
    const low = integer(2000) - 1000
    const high = low + integer(300) + 1
    switch (integer(6)) {
      case 0:
        return {
          json: { type: "integer", minimum: low, maximum: high },
          effect: Schema.Int.check(Schema.isBetween({ minimum: low, maximum: high }))
        }
      case 1:
        return {
          json: { type: "integer", exclusiveMinimum: low, multipleOf: 3 },
          effect: Schema.Int.check(Schema.isGreaterThan(low), Schema.isMultipleOf(3))
        }
      case 2: {
        const [from, to] = [low / 8, high / 8 + 0.1]
        return {
          json: { type: "number", minimum: from, exclusiveMaximum: to },
          effect: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(from), Schema.isLessThan(to))
        }
      }
      case 3:
        return { json: { type: "integer" }, effect: Schema.Int }
      case 4:
        return { json: { type: "number", exclusiveMinimum: 0 }, effect: Schema.Finite.check(Schema.isGreaterThan(0)) }
      default:
        return { json: { type: "number" }, effect: Schema.Finite }
    }
  }
  const constant = (): RandomSchema => {
    switch (integer(4)) {
      case 0: {
        const values = some(words, 4)
        return { json: { enum: values }, effect: Schema.Literals([...values]) }
      }
      case 1: {
        const values = [{ a: 1, é: [true, null] }, "x", [1, "y"], -2.5, false]
        return { json: { enum: values.slice(integer(4)) }, effect: null }
      }
      case 2: {
        const value = pick([...words, 3, -1.5, true])
        return { json: { const: value }, effect: Schema.Literal(value) }
      }
      default: {
        const type = pick(["boolean", "null"])
        return { json: { type }, effect: type === "null" ? Schema.Null : Schema.Boolean }
      }
    }
  }
  const list = (depth: number): RandomSchema => {
    const min = integer(3)
    const max = min + integer(3)
    if (random() < 0.25) {
      const parts = Array.from({ length: integer(3) + 1 }, () => value(depth - 1))
      const effect = parts.some((part) => part.effect === null) ? null : Schema.Tuple(parts.map((part) => part.effect!))
      const json = {
        type: "array",
        prefixItems: parts.map((part) => part.json),
        minItems: parts.length,
        maxItems: parts.length
      }
      return { json, effect }
    }
    const item = value(depth - 1)
    const effect =
      item.effect === null ? null : Schema.Array(item.effect).check(Schema.isMinLength(min), Schema.isMaxLength(max))
    return { json: { type: "array", items: item.json, minItems: min, maxItems: max }, effect }
  }
  const record = (depth: number): RandomSchema => {
    const keys = some(names, 5)
    const properties: Record<string, unknown> = {}
    const fields: Record<string, AnySchema> = {}
    const required: Array<string> = []
    let known = true
    for (const key of keys) {
      const member = value(depth - 1)
      properties[key] = member.json
      const needed = random() < 0.6
      if (needed) required.push(key)
      if (member.effect === null) known = false
      else fields[key] = needed ? member.effect : (Schema.optionalKey(member.effect) as never)
    }
    const open = random()
    // further keys may be any number of keys of any length, so that few texts with them end
    const further =
      open < 0.03 ? { additionalProperties: { type: "boolean" } } : open < 0.5 ? { additionalProperties: false } : {}
    const json = {
      type: "object",
      properties,
      ...(random() < 0.9 || required.length > 0 ? { required } : {}),
      ...further
    }
    return { json, effect: known ? (Schema.Struct(fields) as never) : null }
  }
  const union = (depth: number): RandomSchema => {
    if (random() < 0.3) {
      const options = ["x", "y", "zz"].slice(0, integer(2) + 2).map((tag) => ({ tag, own: value(depth - 1) }))
      const json = {
        oneOf: options.map(({ tag, own }) => ({
          type: "object",
          properties: { tag: { const: tag }, own: own.json },
          required: ["tag", "own"]
        }))
      }
      const known = options.every(({ own }) => own.effect !== null)
      const effect = known
        ? Schema.Union(options.map(({ tag, own }) => Schema.Struct({ tag: Schema.Literal(tag), own: own.effect! })))
        : null
      return { json, effect }
    }
    if (random() < 0.2) {
      const json = { type: ["integer", "null", "boolean"], minimum: 3, maximum: 30 }
      return {
        json,
        effect: Schema.Union([
          Schema.Null,
          Schema.Boolean,
          Schema.Int.check(Schema.isBetween({ minimum: 3, maximum: 30 }))
        ])
      }
    }
    const options = [value(depth - 1), value(depth - 1)]
    const effect = options.some((one) => one.effect === null) ? null : Schema.Union(options.map((one) => one.effect!))
    return { json: { anyOf: options.map((one) => one.json) }, effect }
  }
  const reference = (depth: number): RandomSchema => {
    const name = `d${Object.keys(definitions).length}`
    definitions[name] = {}
    if (random() < 0.3) {
      definitions[name] = {
        type: "object",
        properties: {
          leaf: { type: "boolean" },
          next: { type: "array", items: { $ref: `#/$defs/${name}` }, maxItems: 1 }
        },
        required: ["leaf"]
      }
      return { json: { $ref: `#/$defs/${name}` }, effect: null }
    }
    const own = value(depth - 1)
    definitions[name] = own.json
    return { json: { $ref: `#/$defs/${name}` }, effect: own.effect }
  }
  const value = (depth: number): RandomSchema => {
    const leaf = depth <= 0
    switch (integer(leaf ? 4 : 9)) {
      case 0:
      case 1:
        return text()
      case 2:
        return number()
      case 3:
        return constant()
      case 4:
        return list(depth)
      case 5:
        return union(depth)
      case 6:
        return reference(depth)
      default:
        return record(depth)
    }
  }
  const { json, effect } = value(3)
  return { json: { ...(json as object), $defs: definitions, title: "random" }, effect }
}
