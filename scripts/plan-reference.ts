/**
 * Writes docs/plan-reference.md: every section and field of a plan, from the schemas that decode plans, so that the page cannot say
 * anything else than they do (`bun scripts/plan-reference.ts`).
 *
 * What a field is comes from its schema: type, range, allowed values, default, the unit of what is counted, and the description.
 * Nothing here knows a field, a format, a method, an init or an optimizer by its name; only the sections of a plan are named, in the
 * order in which a reader wants them.
 */
import { join } from "node:path"
import { AdaptationPlan } from "../schemas/adaptation-plan.ts"
import { writtenOut } from "../schemas/json-schema.ts"
import { RunPlan } from "../schemas/run-plan.ts"

interface Field {
  readonly type?: string
  readonly title?: string
  readonly description?: string
  readonly unit?: string
  readonly default?: unknown
  readonly enum?: ReadonlyArray<unknown>
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly minItems?: number
  readonly items?: Field | false
  readonly prefixItems?: ReadonlyArray<Field>
  readonly properties?: { readonly [name: string]: Field }
  readonly required?: ReadonlyArray<string>
  readonly additionalProperties?: Field | boolean
  readonly anyOf?: ReadonlyArray<Field>
}

const runPlans = (writtenOut(RunPlan) as Field).anyOf ?? []
const adaptationPlan = writtenOut(AdaptationPlan) as Field

// Text

/** JSON with a space after commas and colons, as plans in these pages have it. */
const json = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(json).join(", ")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${json(item)}`)
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`
}

const code = (text: string): string => `\`${text.replaceAll("|", "\\|")}\``

/** A description as Markdown of a table: what would be markup is escaped, but not inside `code`. */
const prose = (text: string): string =>
  text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replace(/[*<[\]]/g, "\\$&")))
    .join("")
    .replaceAll("|", "\\|")

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

const number = (n: number): string => (Number.isInteger(n) ? n.toLocaleString("en") : String(n))

// Fields

const rangeOf = ({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Field): string | undefined => {
  const low = minimum ?? exclusiveMinimum
  const high = maximum ?? exclusiveMaximum
  if (low === undefined) return high === undefined ? undefined : `up to ${number(high)}`
  if (high === undefined) return minimum === undefined ? `greater than ${number(low)}` : `at least ${number(low)}`
  const from = minimum === undefined ? `between ${number(low)} and ` : `from ${number(low)} `
  if (minimum === undefined) return `${from}${number(high)}`
  return maximum === undefined ? `${from}up to, not including, ${number(high)}` : `${from}to ${number(high)}`
}

const either = (values: ReadonlyArray<string>): string => {
  const before = values.slice(0, -1).join(", ")
  return before === "" ? values.join("") : `${before} or ${values.at(-1)}`
}

/** What may stand there, in words. */
const allowedIn = (field: Field): string => {
  if (field.anyOf !== undefined) return either([...new Set(field.anyOf.map(allowedIn))])
  if (field.enum !== undefined) return either(field.enum.map((one) => code(JSON.stringify(one))))
  switch (field.type) {
    case "boolean":
      return "`true` or `false`"
    case "null":
      return "`null`"
    case "string":
      return "text"
    case "integer":
    case "number": {
      const what = [field.type, rangeOf(field)].filter((one) => one !== undefined).join(" ")
      return field.unit === undefined ? what : `${what} (${field.unit})`
    }
    case "array": {
      if (field.prefixItems !== undefined) return `[${field.prefixItems.map(allowedIn).join(", ")}]`
      const least = field.minItems === undefined ? "" : ` of ${field.minItems} or more`
      return `list${least}: ${field.items === false || field.items === undefined ? "anything" : allowedIn(field.items)}`
    }
    case "object":
      return typeof field.additionalProperties === "object"
        ? `object of names, each with: ${allowedIn(field.additionalProperties)}`
        : "section"
    default:
      return "anything"
  }
}

/** A single allowed text, by which an alternative of a union is recognised. */
const tagOf = (section: Field): { readonly key: string; readonly value: string } | undefined => {
  for (const [key, { enum: allowed }] of Object.entries(section.properties ?? {}))
    if (allowed?.length === 1) return { key, value: String(allowed[0]) }
  return undefined
}

/** The alternatives of a section: itself, where it has none. */
const alternativesOf = (field: Field): ReadonlyArray<Field> => field.anyOf ?? [field]

type Row = readonly [field: string, value: string, standard: string, description: string]

const defaultOf = (field: Field, required: boolean): string =>
  field.default !== undefined ? code(json(field.default)) : required ? "**required**" : "none"

/** The rows of a section's fields, with those of the sections inside it; `except`: names that are told elsewhere. */
const rowsOf = (section: Field, path: string, except: ReadonlySet<string> = new Set()): ReadonlyArray<Row> =>
  Object.entries(section.properties ?? {}).flatMap(([name, field]): ReadonlyArray<Row> => {
    if (except.has(name)) return []
    const own = `${path}${name}`
    const row: Row = [
      code(own),
      allowedIn(field),
      defaultOf(field, section.required?.includes(name) ?? false),
      prose(field.description ?? "")
    ]
    return [row, ...innerRows(field, own)]
  })

/** The rows of what is inside a field: of a section, of the items of a list, of each alternative. */
const innerRows = (field: Field, path: string): ReadonlyArray<Row> => {
  if (field.anyOf !== undefined) return field.anyOf.flatMap((one) => innerRows(one, path))
  if (field.items !== undefined && field.items !== false) return innerRows(field.items, `${path}[]`)
  if (field.properties === undefined) return []
  const tag = tagOf(field)
  if (tag === undefined) return rowsOf(field, `${path}.`)
  const named = code(`${path}.${tag.key}: ${JSON.stringify(tag.value)}`)
  const fields = rowsOf(field, `${path}.`, new Set([tag.key])).map(
    ([name, ...rest]): Row => [`${name} (${code(tag.value)})`, ...rest]
  )
  return [[named, "", "", prose(field.properties[tag.key]?.description ?? field.description ?? "")], ...fields]
}

const fieldTable = (rows: ReadonlyArray<Row>): string => table(["field", "value", "default", "what it does"], rows)

/** The names of the fields that all of these have, with the same schema. */
const sharedBy = (sections: ReadonlyArray<Field>): ReadonlySet<string> => {
  const [first, ...rest] = sections
  if (rest.length === 0) return new Set()
  const same = ([name, field]: readonly [string, Field]) =>
    rest.every(({ properties }) => JSON.stringify(properties?.[name]) === JSON.stringify(field))
  return new Set(
    Object.entries(first?.properties ?? {})
      .filter(same)
      .map(([name]) => name)
  )
}

const without = (section: Field, names: ReadonlySet<string>): Field => ({
  ...section,
  properties: Object.fromEntries(Object.entries(section.properties ?? {}).filter(([name]) => !names.has(name)))
})

const only = (section: Field, names: ReadonlySet<string>): Field => ({
  ...section,
  properties: Object.fromEntries(Object.entries(section.properties ?? {}).filter(([name]) => names.has(name)))
})

/** GitHub's anchor of a heading without markup. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-")

// Sections

/** A section with alternatives by a tag: what all have, then each by itself. `left`: fields with a chapter of their own. */
const byTag = (name: string, sections: ReadonlyArray<Field>, left: ReadonlySet<string> = new Set()): string => {
  const common = sharedBy(sections)
  const [first] = sections
  const shown =
    common.size > 0 && first !== undefined
      ? [`Fields of every \`${name}\`:`, fieldTable(rowsOf(only(first, common), `${name}.`))]
      : []
  const each = sections.flatMap((section) => {
    const tag = tagOf(section)
    if (tag === undefined) throw new Error(`${name} has an alternative without a tag`)
    const own = without(section, new Set([...common, tag.key]))
    const told = Object.keys(own.properties ?? {}).filter((field) => left.has(field))
    const rows = rowsOf(own, `${name}.`, left)
    const chapters = told.map((field) => {
      const [, value, standard, description] = rowsOf(only(own, new Set([field])), `${name}.`)[0]!
      return [
        code(`${name}.${field}`),
        value === "section" ? `[section](#${anchorOf(`${name}.${field}`)})` : value,
        standard,
        description
      ] as const
    })
    const all = [...rows, ...chapters]
    return [
      `### ${name}: ${tag.value}`,
      `${code(`"${tag.key}": "${tag.value}"`)}. ${prose(section.properties?.[tag.key]?.description ?? section.description ?? "")}`,
      all.length > 0 ? fieldTable(all) : "No fields of its own."
    ]
  })
  return [...shown, ...each].join("\n\n")
}

interface Format {
  readonly name: string
  readonly plan: Field
  readonly data: Field
}

const formats: ReadonlyArray<Format> = runPlans.flatMap((plan) =>
  alternativesOf(plan.properties?.["data"] ?? {}).map((data) => ({ name: tagOf(data)?.value ?? "", plan, data }))
)

/** Sections of plans by the formats whose plans have them, those that are equal together. */
const together = (
  name: string
): ReadonlyArray<{ readonly formats: ReadonlyArray<string>; readonly section: Field }> => {
  const found = new Map<string, { formats: Array<string>; section: Field }>()
  for (const format of formats) {
    const section = format.plan.properties?.[name]
    if (section === undefined) continue
    const key = JSON.stringify(section)
    const entry = found.get(key) ?? { formats: [], section }
    entry.formats.push(format.name)
    found.set(key, entry)
  }
  return [...found.values()]
}

const perFormat = (name: string): string =>
  together(name)
    .flatMap(({ formats, section }) => [
      `### ${name} of ${formats.join(", ")}`,
      prose(section.description ?? ""),
      fieldTable(innerRows({ anyOf: alternativesOf(section) }, name))
    ])
    .join("\n\n")

const [firstPlan] = runPlans
const sectionOf = (name: string): Field => firstPlan?.properties?.[name] ?? {}

const everyPlan = (): string => {
  const names = [...new Set(runPlans.flatMap((plan) => Object.keys(plan.properties ?? {})))]
  const rows = names.map((name) => {
    const having = runPlans.filter((plan) => plan.properties?.[name] !== undefined)
    const fields = having.map((plan) => plan.properties![name]!)
    const required = having.every((plan) => plan.required?.includes(name))
    const [field] = fields
    const chapter = headings.has(name)
    const words = new Set(fields.map(({ description }) => description ?? ""))
    const some = having.length < runPlans.length ? "Of some formats. " : ""
    return [
      chapter ? `[\`${name}\`](#${anchorOf(name)})` : code(name),
      chapter ? "section" : allowedIn(field ?? {}),
      new Set(fields.map(json)).size === 1 || required ? defaultOf(field ?? {}, required) : "by format",
      `${some}${words.size === 1 ? prose([...words][0] ?? "") : `What it has depends on \`data.format\`.`}`
    ] as const
  })
  return fieldTable(rows)
}

/** The chapters of the page: a section of plans each. */
const headings = new Map<string, () => string>([
  ["model", () => perFormat("model")],
  [
    "data",
    () =>
      byTag(
        "data",
        formats.map(({ data }) => data)
      )
  ],
  ["loss", () => perFormat("loss")],
  ["adapter", () => byTag("adapter", alternativesOf(sectionOf("adapter")), new Set(["init"]))],
  ["adapter.init", () => initChapter()],
  ["optimizer", () => byTag("optimizer", alternativesOf(sectionOf("optimizer")))],
  [
    "training",
    () =>
      `${prose(sectionOf("training").description ?? "")}\n\n${fieldTable(rowsOf(sectionOf("training"), "training."))}`
  ],
  [
    "output",
    () => `${prose(sectionOf("output").description ?? "")}\n\n${fieldTable(rowsOf(sectionOf("output"), "output."))}`
  ]
])

/** The inits of all methods that have some, each once. */
const initChapter = (): string => {
  const methods = alternativesOf(sectionOf("adapter")).flatMap((method) => {
    const init = method.properties?.["init"]
    return init === undefined ? [] : [{ method: tagOf(method)?.value ?? "", inits: alternativesOf(init) }]
  })
  const inits = new Map(methods.flatMap(({ inits }) => inits.map((init) => [tagOf(init)?.value ?? "", init])))
  const rows = [...inits].map(([kind]) => [
    code(kind),
    methods
      .filter(({ inits }) => inits.some((init) => tagOf(init)?.value === kind))
      .map(({ method }) => code(method))
      .join(", ")
  ])
  return `How A and B are initialized.\n\n${table(["`adapter.init.kind`", "of `adapter.method`"], rows)}\n\n${byTag("adapter.init", [...inits.values()])}`
}

const adaptationChapter = (): string => {
  const told = new Set(["optimizer"])
  return [
    "What `fit` and `fitDataset` of a `tf.LayersModel` take as `plan` ([layers-models.md](layers-models.md)). Its `optimizer` is [that of a run](#optimizer); the adapter's options are the arguments of `adapt`.",
    fieldTable(rowsOf(adaptationPlan, "", told))
  ].join("\n\n")
}

/** Returns the paths of fields without a description; the tests require an empty list. */
export const undescribed = (): ReadonlyArray<string> => {
  const visit = (section: Field, path: string): ReadonlyArray<string> => [
    ...Object.entries(section.properties ?? {}).flatMap(([name, field]) => [
      ...((field.description ?? "").trim() === "" ? [`${path}${name}`] : []),
      ...visit(field, `${path}${name}.`)
    ]),
    ...(section.anyOf ?? []).flatMap((one) => visit(one, path)),
    ...(section.prefixItems ?? []).flatMap((one) => visit(one, path)),
    ...(typeof section.items === "object" ? visit(section.items, path) : [])
  ]
  return [...new Set([...runPlans.flatMap((plan) => visit(plan, "")), ...visit(adaptationPlan, "")])]
}

/** Returns the text of docs/plan-reference.md. */
export const planReference = (): string => {
  const list = formats.map(({ name, data, plan }) => [
    `[\`${name}\`](#${anchorOf(`data: ${name}`)})`,
    prose(tagOf(data) === undefined ? "" : (data.properties?.["format"]?.description ?? "")),
    prose(plan.description ?? "")
  ])
  return `${[
    "# Plan reference",
    [
      "```sh",
      "bun run schema > run-plan.schema.json",
      "bun run validate examples/plans/movies-lora-pro-full.json",
      "```"
    ].join("\n"),
    "This page lists every section and field of a plan. [plans.md](plans.md) introduces plans with examples. `bun run schema` prints the same as a JSON Schema for editors, and `bun run validate PLAN` checks a plan, including the rules between fields.",
    "In the tables, “required” fields have no default; fields with the default “none” are optional, and their description says what happens without them. `a.b[]` is an entry of the list `a.b`. Paths are relative to the plan file, unless the description says otherwise.",
    "`bun scripts/plan-reference.ts` generates this page from the schemas. To change it, change those.",
    "## The plan",
    everyPlan(),
    "## Formats",
    "`data.format` selects the kind of run, and with it the fields of `model`, `data` and `loss`.",
    table(["`data.format`", "rows", "plan"], list),
    ...[...headings].flatMap(([name, chapter]) => [`## ${name}`, chapter()]),
    "## Adaptation plans",
    adaptationChapter()
  ].join("\n\n")}\n`
}

if (import.meta.main) {
  const page = join(import.meta.dir, "..", "docs", "plan-reference.md")
  await Bun.write(page, planReference())
  console.log(`wrote ${page}`)
}
