/** The form of plans, over the JSON Schema as it is: every field of every plan has an input of its own. */
import { describe, expect, test } from "bun:test"
import { runPlanJsonSchema } from "../../../schemas/index.ts"
import { planKinds } from "../../../schemas/kinds/index.ts"
import {
  followed,
  labelOf,
  moved,
  planSchema,
  type Schema,
  type Shape,
  shapeOf
} from "../../../src/studio/page/views/new/form/schema.ts"

const root = runPlanJsonSchema() as Schema
const formats = Object.keys(planKinds)

/** Every place of a plan that a form shows, with what it is edited by. */
const places = (schema: Schema, path: string): ReadonlyArray<readonly [path: string, shape: Shape]> => {
  const shape = shapeOf(schema, root)
  const below = (one: Schema, name: string) => places(one, `${path}.${name}`)
  const inside =
    shape.kind === "object"
      ? Object.entries(shape.fields).flatMap(([key, field]) => below(field, key))
      : shape.kind === "variants"
        ? shape.variants.flatMap(({ value, schema: own }) => below(own, `<${value}>`))
        : shape.kind === "objects"
          ? below(shape.item, "0")
          : []
  return [[path, shape], ...inside]
}

const ofFormat = (format: string) => planSchema(root, { data: { format } })

describe("the form of a plan", () => {
  for (const format of formats) {
    test(`of format ${format} has its sections, and an input for each field`, () => {
      const shape = shapeOf(ofFormat(format), root)
      if (shape.kind !== "object") throw new Error("a plan is an object")
      const data = shapeOf(shape.fields["data"]!, root)
      if (data.kind !== "variants") throw new Error("data is of several formats")
      expect(data.key).toBe("format")
      expect(data.variants.map(({ value }) => value)).toEqual(expect.arrayContaining(formats))
      // the sections are those of the plan that the decoder takes for this format
      const own = (root["anyOf"] as ReadonlyArray<Schema>)
        .map((one) => followed(one, root))
        .find(
          (one) =>
            JSON.stringify(one["properties"]) ===
            JSON.stringify({ ...shape.fields, data: (one["properties"] as Record<string, Schema>)["data"] })
        )
      expect(own).toBeDefined()
      const json = places(ofFormat(format), "").filter(([, { kind }]) => kind === "json")
      // maps from names to values, and lists of messages, which have no form of their own
      expect(
        json
          .map(([path]) => path.replace(/^\.data\.<[a-z-]+>/, ".data"))
          .filter((path) => !/(classWeights|templateValues|messages)$/.test(path))
      ).toEqual([])
    })
  }

  test("asks unions by their tag, and single values by what they may be", () => {
    const all = new Map(places(ofFormat("classification"), ""))
    expect(all.get(".adapter")).toMatchObject({ kind: "variants", key: "method" })
    expect(all.get(".optimizer")).toMatchObject({ kind: "variants", key: "kind" })
    expect(all.get(".adapter.<lora>.init")).toMatchObject({ kind: "variants", key: "kind" })
    expect(all.get(".adapter.<lora>.rank")).toEqual({
      kind: "word",
      isText: false,
      isNumber: true,
      words: [],
      range: "from 1 to 1024"
    })
    expect(all.get(".adapter.<lora>.scaling")).toEqual({ kind: "choice", values: ["standard", "rank-stabilized"] })
    expect(all.get(".adapter.<lora>.targets")).toMatchObject({
      kind: "lines",
      words: ["all-linear", "attention", "mlp"]
    })
    expect(all.get(".adapter.<lora>.overrides")).toMatchObject({ kind: "objects" })
    expect(all.get(".optimizer.<adamw>.learningRate")).toEqual({
      kind: "word",
      isText: false,
      isNumber: true,
      words: ["auto"],
      range: "more than 0"
    })
    expect(all.get(".optimizer.<adamw>.betas")).toMatchObject({ kind: "tuple" })
    expect(all.get(".optimizer.<adamw>.clipNorm")).toMatchObject({ kind: "word", isNumber: true })
    expect(all.get(".optimizer.<lora-rite>.escape")).toEqual({ kind: "boolean" })
  })

  test("of a format that no one knows, or of none, is still a form", () => {
    for (const plan of [{}, { data: { format: "knitting" } }, { data: 3 }])
      expect(shapeOf(planSchema(root, plan), root).kind).toBe("object")
  })
})

test("another method keeps the values that it has too", () => {
  const shape = shapeOf(planSchema(root, {}), root)
  if (shape.kind !== "object") throw new Error("a plan is an object")
  const optimizer = shapeOf(shape.fields["optimizer"]!, root)
  if (optimizer.kind !== "variants") throw new Error("there are several")
  const adamw = optimizer.variants.find(({ value }) => value === "adamw")!
  expect(moved({ kind: "lora-pro", form: "full", learningRate: 1e-4, betas: [0.9, 0.99] }, "kind", adamw)).toEqual({
    kind: "adamw",
    learningRate: 1e-4,
    betas: [0.9, 0.99]
  })
})

test("keys are read as words", () => {
  expect(["learningRate", "evaluateEvery", "x", "text"].map(labelOf)).toEqual([
    "Learning rate",
    "Evaluate every",
    "X",
    "Text"
  ])
})
