/**
 * JSON values as rules: one for each set of schemas that describe a value together, so recursive schemas become recursive rules.
 *
 *   object   { members in the order of declaration, of which optional ones may be omitted; then further members }
 *   array    [ elements ], counted by separate nodes up to the bounds
 *
 * If a schema declares properties and no `additionalProperties`, others are not allowed; an array of `prefixItems` alone has exactly these.
 * Both are narrower than JSON Schema, and match what its users mean.
 */

import { LinearRegExp } from "../patterns/index.ts"
import { call, either, type Node, node, type Rule, text, words } from "./automaton.ts"
import type { JsonStyle } from "./grammar.ts"
import { type Located, type Report, type Type, typeOf, under, type Variant } from "./keywords.ts"
import { numberRule } from "./numbers.ts"
import { anyString, type StringLimits, stringRule } from "./strings.ts"
import { variantsOf } from "./variants.ts"

/** Elements with nodes of their own, at most. */
const MOST_ELEMENTS = 10_000

/** How members are separated, for objects and for what is not JSON. */
interface MemberForm {
  readonly key: (name: string, next: Node) => Node
  readonly comma: (next: Node) => Node
  /** further members are written; false: a schema that demands them is not supported */
  readonly further: boolean
}

/** Rules of one schema, in one style. */
export interface JsonRules {
  readonly value: (schemas: ReadonlyArray<Located>) => Rule
  /** Matches the members of an object, followed by `next`. */
  readonly members: (schema: unknown, form: Pick<MemberForm, "key" | "comma">, next: Node) => Node
}

/** What the parts of a variant say together of its keys. */
interface Members {
  readonly named: ReadonlyArray<{
    readonly name: string
    readonly schemas: ReadonlyArray<Located>
    readonly required: boolean
  }>
  /** what keys hold that no part declares; null: there are no such keys */
  readonly further: ReadonlyArray<Located> | null
}

type Leaf = Rule | { readonly broken: string } | "empty"

const leaves = new Map<string, Leaf>()

/** Rules that are remembered, at most: of a long string one takes some megabytes. */
const MOST_LEAVES = 64

/** Strings and numbers depend on their limits alone, so that all grammars share their rules. */
const leaf = (key: string, make: () => Leaf): Leaf => {
  const known = leaves.get(key)
  if (known !== undefined) return known
  if (leaves.size >= MOST_LEAVES) leaves.clear()
  const made = make()
  leaves.set(key, made)
  return made
}

const spaced = (mark: string, next: Node): Node => text(mark, either([next, text(" ", next)]))

export const jsonRules = (root: unknown, style: JsonStyle, report: Report): JsonRules => {
  const comma = (next: Node) => (style.comma === undefined ? spaced(",", next) : text(style.comma, next))
  const colon = (next: Node) => (style.colon === undefined ? spaced(":", next) : text(style.colon, next))
  const [yes, no, nothing] = style.literals ?? ["true", "false", "null"]
  const numbersOfSchemas = new Map<unknown, number>()
  const rules = new Map<string, Rule>()

  const value = (schemas: ReadonlyArray<Located>): Rule => {
    const different = new Map<unknown, Located>()
    for (const each of schemas) if (each.schema !== true) different.set(each.schema, each)
    const ids = [...different.keys()].map((schema) => {
      if (!numbersOfSchemas.has(schema)) numbersOfSchemas.set(schema, numbersOfSchemas.size)
      return numbersOfSchemas.get(schema)!
    })
    const key = ids.sort((a, b) => a - b).join()
    const known = rules.get(key)
    if (known !== undefined) return known
    const rule: Rule = { start: node(), path: schemas[0]?.path ?? "#" }
    rules.set(key, rule)
    const end = node({ accepts: true })
    const variants = variantsOf([...different.values()], root, report)
    rule.start.jumps = variants.flatMap((variant) => ofVariant(variant, end))
    return rule
  }

  const ofVariant = (variant: Variant, end: Node): ReadonlyArray<Node> => {
    if (variant.values !== null) return constants(variant.values, variant, end)
    return [...variant.types].flatMap((type) => {
      const made = byType[type](variant, end)
      return made === null ? [] : [made]
    })
  }

  const called = (rule: Leaf, path: string, end: Node): Node | null => {
    if (rule === "empty") return null
    if (!("broken" in rule)) return call(rule, end)
    report(path, rule.broken)
    return null
  }
  const stringOf = (limits: StringLimits, path: string, end: Node): Node | null =>
    called(
      leaf(JSON.stringify([limits, limits.max]), () => stringRule(limits)),
      path,
      end
    )

  const byType: Readonly<Record<Type, (variant: Variant, end: Node) => Node | null>> = {
    null: (_, end) => text(nothing, end),
    boolean: (_, end) => words([yes, no], end),
    string: ({ patterns, minLength: min, maxLength: max, path }, end) =>
      stringOf({ patterns, min, max, not: [] }, path, end),
    number: (variant, end) => {
      const { integer, minimum, exclusiveMinimum, maximum, exclusiveMaximum, multiples, path } = variant
      const key = [integer, minimum, exclusiveMinimum, maximum, exclusiveMaximum, ...multiples].join()
      return called(
        leaf(key, () => numberRule(variant)),
        path,
        end
      )
    },
    array: (variant, end) => text("[", elements(variant, text("]", end))),
    object: (variant, end) => {
      const form: MemberForm = { key: (name, next) => text(JSON.stringify(name), colon(next)), comma, further: true }
      return text("{", membersOf(variant, form, text("}", end)))
    }
  }

  const elements = ({ arrays, minItems, maxItems, path }: Variant, close: Node): Node => {
    const listed = Math.max(0, ...arrays.map(({ prefix }) => prefix.length))
    const closed = arrays.some(({ prefix, items }) => prefix.length > 0 && items === null)
    const exactly = arrays.reduce(
      (most, { prefix, items }) => (items === null ? Math.min(most, prefix.length) : most),
      maxItems
    )
    const max = Math.min(maxItems, closed ? exactly : maxItems)
    const min = closed && minItems === 0 ? max : minItems
    const bounded = max !== Number.POSITIVE_INFINITY
    const unrolled = bounded ? max : Math.max(min, listed)
    if (unrolled > MOST_ELEMENTS) {
      report(path, `an array of more than ${MOST_ELEMENTS} elements is not supported`)
      return close
    }
    const element = (i: number, next: Node) =>
      call(value(arrays.flatMap(({ prefix, items }) => prefix[i] ?? items ?? [])), next)
    /** after i elements */
    const last = node()
    let after = last
    if (!bounded) {
      const further = element(unrolled, last)
      last.jumps = [close, comma(further)]
      if (unrolled === 0) return either([close, further])
    } else last.jumps = min <= max ? [close] : []
    for (let i = unrolled - 1; i >= 0; i--) {
      const one = element(i, after)
      const entry = i === 0 ? one : comma(one)
      after = i >= min ? either([close, entry]) : entry
    }
    return after
  }

  const membersIn = ({ objects, required }: Variant): Members => {
    const names = new Set([...objects.flatMap(({ properties }) => [...properties.keys()]), ...required])
    const declares = objects.some(({ properties }) => properties.size > 0)
    const explicit = objects.flatMap(({ additional }) => additional ?? [])
    const named = [...names].map((name) => ({
      name,
      schemas: objects.flatMap(({ properties, additional }) => properties.get(name) ?? additional ?? []),
      required: required.has(name)
    }))
    const closed = explicit.some(({ schema }) => schema === false) || (explicit.length === 0 && declares)
    return { named, further: closed ? null : explicit }
  }

  const namesOf = (variant: Variant, not: ReadonlyArray<string>): ReadonlyArray<StringLimits> => {
    if (variant.names.length === 0) return [{ ...anyString, not }]
    return variantsOf(variant.names, root, report).flatMap(({ types, values, patterns, minLength, maxLength }) => {
      if (!types.has("string")) return []
      const allowed = values?.filter((one) => typeof one === "string").map((one) => `^${escapedPattern(one)}$`)
      if (allowed !== undefined && allowed.length === 0) return []
      const among = allowed === undefined ? [] : [allowed.join("|")]
      return [{ patterns: [...patterns, ...among], min: minLength, max: maxLength, not }]
    })
  }

  const membersOf = (variant: Variant, form: MemberForm, close: Node): Node => {
    const { path, minProperties, maxProperties } = variant
    const { named, further } = membersIn(variant)
    const required = named.filter((one) => one.required).length
    if (minProperties > Math.max(required, Math.min(1, named.length + (further === null ? 0 : 1)))) {
      report(path, `minProperties ${minProperties} is supported up to the number of required properties, or 1`)
    }
    if (maxProperties < (further === null ? named.length : Number.POSITIVE_INFINITY)) {
      report(
        path,
        "maxProperties is supported only where it is no less than the number of declared properties, and there are no others"
      )
    }
    /** after all declared members, at first and after one: what may follow */
    const first = node()
    const later = node()
    const separated = node()
    const empty = minProperties === 0 || required > 0
    first.jumps = empty ? [close] : []
    later.jumps = [close, form.comma(separated)]
    if (further !== null) {
      if (!form.further)
        report(path, "further properties are not supported here; declare them or set additionalProperties to false")
      const one = node()
      const content = call(value(further), later)
      const not = named.map(({ name }) => name)
      one.jumps = namesOf(variant, not).flatMap((limits) => stringOf(limits, path, colon(content)) ?? [])
      first.jumps = [...first.jumps, one]
      separated.jumps = [one]
    }
    let at = { first, later, separated }
    // in the order of the schema, in which problems are reported
    const members = named.map((one) => ({ ...one, rule: value(one.schemas) }))
    for (const { name, rule, required: needed } of members.toReversed()) {
      const member = form.key(name, call(rule, at.later))
      const open = node({ jumps: needed ? [member] : [member, at.separated] })
      // a comma leads to this member, or to a later one
      const after = node({
        jumps: needed ? [form.comma(member)] : [form.comma(open), ...(canClose(at.later, close) ? [close] : [])]
      })
      at = { first: node({ jumps: needed ? [member] : [member, at.first] }), later: after, separated: open }
    }
    return at.first
  }

  const canClose = (later: Node, close: Node) => later.jumps.includes(close)

  /** Values of `enum` and `const`, those that the rest of the variant allows. */
  const constants = (values: ReadonlyArray<unknown>, variant: Variant, end: Node): ReadonlyArray<Node> => {
    const allowed = values.filter((one) => variant.types.has(typeOf(one)))
    const nested = variant.arrays.length > 0 || variant.objects.length > 0 || variant.required.size > 0
    if (nested && !allowed.every(isScalar)) {
      report(variant.path, "enum and const of objects or arrays are not supported next to keywords about these")
    }
    const scalars = allowed.filter((one) => isScalar(one) && scalarAllowed(one, variant, report)).map(literal)
    const structured = allowed.filter((one) => !isScalar(one))
    return [...(scalars.length > 0 ? [words(scalars, end)] : []), ...structured.map((one) => constant(one, end))]
  }

  const literal = (one: unknown): string =>
    one === null ? nothing : one === true ? yes : one === false ? no : JSON.stringify(one)

  const constant = (one: unknown, next: Node): Node => {
    if (isScalar(one)) return text(literal(one), next)
    const listed = (parts: ReadonlyArray<(next: Node) => Node>, end: Node) =>
      parts.reduceRight((after, part, i) => (i === 0 ? part(after) : comma(part(after))), end)
    if (Array.isArray(one)) {
      return text(
        "[",
        listed(
          one.map((each) => (after: Node) => constant(each, after)),
          text("]", next)
        )
      )
    }
    const members = Object.entries(one).map(
      ([name, each]) =>
        (after: Node) =>
          text(JSON.stringify(name), colon(constant(each, after)))
    )
    return text("{", listed(members, text("}", next)))
  }

  return {
    value,
    members: (schema, { key, comma: between }, next) => {
      const objects = variantsOf([{ schema, path: "#" }], root, report).filter(({ types }) => types.has("object"))
      return either(objects.map((variant) => membersOf(variant, { key, comma: between, further: false }, next)))
    }
  }
}

const escapedPattern = (literal: string) => literal.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&")

const isScalar = (one: unknown): one is string | number | boolean | null | undefined =>
  typeof one !== "object" || one === null

/** Whether a string, number or boolean is within the bounds of a variant; null has none. */
const scalarAllowed = (one: unknown, variant: Variant, report: Report): boolean => {
  if (typeof one === "number") {
    const { integer, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multiples } = variant
    const within = one >= minimum && one <= maximum && one > exclusiveMinimum && one < exclusiveMaximum
    return within && (!integer || Number.isInteger(one)) && multiples.every((factor) => one % factor === 0)
  }
  if (typeof one !== "string") return true
  const { patterns, minLength, maxLength, path } = variant
  const matches = (pattern: string) => {
    try {
      return new LinearRegExp(pattern, "u").test(one)
    } catch {
      report(under(path, "pattern"), `pattern ${JSON.stringify(pattern)} is not supported`)
      return false
    }
  }
  return [...one].length >= minLength && one.length <= maxLength && patterns.every(matches)
}
