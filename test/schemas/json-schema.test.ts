/**
 * The JSON Schema: fresh on disk, and of one mind with the decoder. The small validator below is the second opinion: it knows the
 * keywords that the document uses, and fails on any other.
 */
import { describe, expect, test } from "bun:test"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RunPlan, runPlanJsonSchema, runPlanJsonSchemaText } from "../../schemas/index.ts"
import { complete, smallest } from "./plans.ts"

type Json = Record<string, unknown>
type Keyword = (operand: unknown, value: unknown, schema: Json) => boolean

const typeOf = (value: unknown): string => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value)
const isObject = (value: unknown): value is Json => typeOf(value) === "object"
const onNumbers =
  (check: (n: number, operand: number) => boolean): Keyword =>
  (operand, value) =>
    typeof value !== "number" || check(value, operand as number)
const onLists =
  (check: (list: ReadonlyArray<unknown>, operand: unknown, schema: Json) => boolean): Keyword =>
  (operand, value, schema) =>
    !Array.isArray(value) || check(value, operand, schema)
const annotation: Keyword = () => true

const keywords: Record<string, Keyword> = {
  $schema: annotation,
  title: annotation,
  description: annotation,
  default: annotation,
  type: (type, value) => (type === "integer" ? Number.isInteger(value) : typeOf(value) === type),
  enum: (values, value) => (values as ReadonlyArray<unknown>).includes(value),
  anyOf: (schemas, value) => (schemas as ReadonlyArray<Json>).some((schema) => accepts(schema, value)),
  minimum: onNumbers((n, bound) => n >= bound),
  maximum: onNumbers((n, bound) => n <= bound),
  exclusiveMinimum: onNumbers((n, bound) => n > bound),
  exclusiveMaximum: onNumbers((n, bound) => n < bound),
  minLength: (least, value) => typeof value !== "string" || value.length >= (least as number),
  minItems: onLists((list, least) => list.length >= (least as number)),
  maxItems: onLists((list, most) => list.length <= (most as number)),
  uniqueItems: onLists((list) => new Set(list).size === list.length),
  items: onLists(
    (list, items, { prefixItems }) => prefixItems !== undefined || list.every((item) => accepts(items as Json, item))
  ),
  prefixItems: onLists((list, items) =>
    list.every((item, i) => accepts((items as ReadonlyArray<Json>)[i] ?? {}, item))
  ),
  required: (names, value) =>
    !isObject(value) || (names as ReadonlyArray<string>).every((name) => Object.hasOwn(value, name)),
  properties: (properties, value) =>
    !isObject(value) ||
    Object.entries(properties as Record<string, Json>).every(
      ([name, schema]) => !Object.hasOwn(value, name) || accepts(schema, value[name])
    ),
  additionalProperties: (allowed, value, { properties }) =>
    allowed !== false || !isObject(value) || Object.keys(value).every((name) => Object.hasOwn(properties as Json, name))
}

const accepts = (schema: Json, value: unknown): boolean =>
  Object.entries(schema).every(([name, operand]) => {
    const keyword = keywords[name]
    if (keyword === undefined) throw new Error(`the document uses ${name}, which this validator does not know`)
    return keyword(operand, value, schema)
  })

const document = runPlanJsonSchema() as Json

/** Every object schema inside, with its path. */
const objectsIn = (value: unknown, path = ""): ReadonlyArray<readonly [string, Json]> =>
  typeof value !== "object" || value === null
    ? []
    : [
        ...(isObject(value) && value["type"] === "object" ? [[path, value] as const] : []),
        ...Object.entries(value).flatMap(([key, inner]) => objectsIn(inner, `${path}/${key}`))
      ]

test("the file is fresh (`bun run schema` writes it)", async () => {
  const file = await Bun.file(new URL("../../schemas/run-plan.schema.json", import.meta.url)).text()
  expect(file).toBe(runPlanJsonSchemaText())
})

test("every object is closed, every key described", () => {
  const objects = objectsIn(document)
  expect(objects.length).toBeGreaterThan(12)
  for (const [path, schema] of objects) {
    expect([path, schema["additionalProperties"]]).toEqual([path, false])
    for (const [key, field] of Object.entries(schema["properties"] as Record<string, Json>)) {
      const isTag = Array.isArray(field["enum"]) && field["enum"].length === 1
      if (!isTag) expect([`${path}/${key}`, typeof field["description"]]).toEqual([`${path}/${key}`, "string"])
    }
  }
})

test("defaults are shown, and are those that the decoder fills in", () => {
  const defaults = objectsIn(document).flatMap(([, { properties, required }]) =>
    Object.entries(properties as Record<string, Json>)
      .filter(([key, field]) => "default" in field && !((required as ReadonlyArray<string>) ?? []).includes(key))
      .map(([key]) => key)
  )
  expect(defaults).toContain("rank")
  expect(defaults).toContain("clipNorm")
  const { optimizer } = Schema.decodeUnknownSync(RunPlan)(smallest)
  const loraPro = objectsIn(document).find(([, { title }]) => title === "LoRA-Pro")![1]
  for (const [key, field] of Object.entries(loraPro["properties"] as Record<string, Json>)) {
    if ("default" in field)
      expect([key, optimizer[key as keyof typeof optimizer]] as unknown).toEqual([key, field["default"]])
  }
})

describe("accepts", () => {
  test("the smallest and the complete plan", () => {
    expect(accepts(document, smallest)).toBe(true)
    expect(accepts(document, complete)).toBe(true)
  })

  test("what the decoder accepts", () => {
    const samples = Effect.runSync(Arbitrary.sampleEffect(Arbitrary.schema(RunPlan), { count: 100, seed: 2 }))
    for (const plan of samples) expect(accepts(document, Schema.encodeSync(RunPlan)(plan))).toBe(true)
  })
})

test.each<[string, object]>([
  ["an unknown key", { sed: 1 }],
  ["a negative seed", { seed: -1 }],
  ["rank 0", { adapter: { method: "lora", rank: 0 } }],
  ["no target", { adapter: { method: "lora", targets: [] } }],
  ["a rank without LoRA", { adapter: { method: "none", rank: 8 } }],
  ["no learning rate", { optimizer: { kind: "lora-pro" } }],
  ["a moment that never forgets", { optimizer: { kind: "adamw", learningRate: 1, betas: [0.9, 1] } }],
  ["a label twice", { data: { format: "classification", train: "t", labels: ["a", "a"] } }]
])("refuses %s", (_what, change) => {
  expect(accepts(document, { ...smallest, ...change })).toBe(false)
})
