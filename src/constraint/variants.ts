/**
 * JSON Schemas as variants: a value is allowed if one variant allows it, and no variant contains combinations (`anyOf`, `allOf`,
 * `$ref`). Keywords with the same meaning are merged, so a schema written as nested checks becomes one.
 *
 *   anyOf, oneOf   the variants of each option         allOf, $ref   every variant of one merged with every variant of the other
 */
import { isRecord } from "../boundary/index.ts"
import { anything, type Located, merged, ownOf, type Report, typeOf, type Variant } from "./keywords.ts"

/** Variants of one schema, at most. */
const MOST_VARIANTS = 500

/** The schema that a `$ref` names within `root`; undefined: there is none. */
const referred = (root: unknown, ref: string): unknown => {
  if (!/^#(\/|$)/.test(ref)) return undefined
  let at: unknown = root
  for (const part of decodeURIComponent(ref).split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~")
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[key]
  }
  return at
}

/** Returns the variants of the values that all of the schemas allow. `root`: document that `$ref` refers to. */
export const variantsOf = (all: ReadonlyArray<Located>, root: unknown, report: Report): ReadonlyArray<Variant> => {
  const product = (a: ReadonlyArray<Variant>, b: ReadonlyArray<Variant>, path: string): ReadonlyArray<Variant> => {
    if (a.length * b.length > MOST_VARIANTS) {
      report(path, `combines into more than ${MOST_VARIANTS} alternatives, which is not supported`)
      return []
    }
    return a.flatMap((one) => b.map((other) => merged(one, other)).filter(({ types }) => types.size > 0))
  }
  const of = ({ schema, path }: Located, open: ReadonlySet<unknown>): ReadonlyArray<Variant> => {
    if (schema === true) return [anything(path)]
    if (schema === false) return []
    if (!isRecord(schema)) {
      report(path, "is not a schema; expected an object, true or false")
      return []
    }
    if (open.has(schema)) {
      report(path, "refers to itself before any value begins")
      return []
    }
    const inside = new Set(open).add(schema)
    let variants: ReadonlyArray<Variant> = [ownOf({ schema, path, report })]
    const ref = schema["$ref"]
    if (ref !== undefined) {
      const target = typeof ref === "string" ? referred(root, ref) : undefined
      if (target === undefined) {
        report(
          `${path}/$ref`,
          `$ref ${JSON.stringify(ref)} is not in this schema; only references within it are supported`
        )
      } else variants = product(variants, of({ schema: target, path: ref as string }, inside), path)
    }
    for (const key of ["allOf", "anyOf", "oneOf"]) {
      const value = schema[key]
      if (value === undefined) continue
      if (!Array.isArray(value) || value.length === 0) {
        report(`${path}/${key}`, `${key} is not valid; expected a list of schemas`)
        continue
      }
      const each = value.map((option, i) => of({ schema: option, path: `${path}/${key}/${i}` }, inside))
      if (key === "allOf") for (const one of each) variants = product(variants, one, path)
      else {
        if (key === "oneOf") reportOverlap(each, `${path}/oneOf`, root, report)
        variants = product(variants, each.flat(), path)
      }
    }
    return variants
  }
  return all.reduce<ReadonlyArray<Variant>>(
    (variants, one, i) => (i === 0 ? of(one, new Set()) : product(variants, of(one, new Set()), one.path)),
    [anything(all[0]?.path ?? "#")]
  )
}

const reportOverlap = (
  options: ReadonlyArray<ReadonlyArray<Variant>>,
  path: string,
  root: unknown,
  report: Report
): void => {
  const pairs = options.flatMap((one, i) => options.slice(i + 1).map((other, j) => [one, other, i, i + 1 + j] as const))
  for (const [one, other, i, j] of pairs) {
    if (one.every((a) => other.every((b) => disjoint(a, b, root, 3)))) continue
    report(
      path,
      `oneOf is supported for alternatives that differ in their types or in a required constant; ${i} and ${j} may both match`
    )
    return
  }
}

/** Whether evidently no value is allowed by both. */
const disjoint = (a: Variant, b: Variant, root: unknown, depth: number): boolean => {
  const both = merged(a, b)
  if (both.types.size === 0 || both.values?.length === 0) return true
  if (both.values?.every((value) => !both.types.has(typeOf(value)))) return true
  if (both.types.size > 1 || !both.types.has("object") || depth === 0) return false
  return [...a.required.intersection(b.required)].some((name) => {
    const within = (variant: Variant) =>
      variantsOf(
        variant.objects.flatMap(({ properties }) => properties.get(name) ?? []),
        root,
        () => {}
      )
    return within(a).every((one) => within(b).every((other) => disjoint(one, other, root, depth - 1)))
  })
}
