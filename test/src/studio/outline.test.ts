/** The beginning of a plan where none can be suggested: of every format, with what is known, and with nothing. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import { decodeRunPlan } from "../../../schemas/index.ts"
import { planKinds } from "../../../schemas/kinds/index.ts"
import { kinds } from "../../../src/kinds/index.ts"
import { initialValue } from "../../../src/studio/engine/outline.ts"
import { asking, exampleFiles } from "./engine.ts"

const { ask } = asking({
  ...exampleFiles("models/minilm", "models/minilm"),
  "one.csv": "text\nhello\nbye\n"
})

const formatOf = ({ data }: { readonly [section: string]: unknown }) => (data as { readonly format: string }).format

test("without anything is a plan that lacks its rows alone", async () => {
  const { name, plan } = await ask("outline", {})
  expect(name).toBe("run")
  expect(plan).toMatchObject({
    model: { source: "models/minilm" },
    optimizer: { learningRate: "auto" },
    training: { steps: 100 }
  })
  const checked = await ask("check", { plan })
  expect(checked).toMatchObject({ ok: false, problems: [{ path: "data.train" }] })
})

test("of rows without a column that is needed says so at its field", async () => {
  const { name, plan } = await ask("outline", { model: "models/minilm", train: "one.csv", names: ["text"] })
  expect(name).toBe("one")
  expect(plan["data"]).toEqual({ format: "classification", train: "one.csv", text: "text", label: "label" })
  expect(await ask("check", { plan })).toMatchObject({ ok: false, problems: [{ path: "data.label" }] })
})

describe("the format", () => {
  for (const format of Object.keys(planKinds)) {
    test(`is ${format} where the rows have its columns, and what the schema begins is a plan`, async () => {
      const all = await Effect.runPromise(Effect.all(kinds))
      const roles = all.flatMap(({ detecting }) => detecting.columns[format] ?? [])
      // each by its role; nothing is known of the model, so that no kind is ruled out
      const columns = Object.fromEntries(roles.map((role) => [role, `my ${role}`]))
      const { plan } = await ask("outline", {
        model: "hf:no-address",
        train: "rows.csv",
        names: Object.values(columns),
        columns
      })
      // others may read the same columns
      const readers = all.flatMap(({ detecting }) =>
        Object.entries(detecting.columns).flatMap(([other, own]) =>
          roles.every((role) => own.includes(role)) ? [other] : []
        )
      )
      expect(readers).toContain(formatOf(plan))
      // some formats are for a tf.LayersModel alone
      const decoded = await Promise.allSettled(
        ["models/m", "models/m/model.json"].map((source) =>
          Effect.runPromise(decodeRunPlan({ ...plan, model: { source } }))
        )
      )
      expect(decoded.map(({ status }) => status)).toContain("fulfilled")
    })
  }

  test("is one that the model takes, whatever the columns", async () => {
    const { plan } = await ask("outline", {
      model: "models/minilm",
      train: "one.jsonl",
      names: ["prompt", "completion"]
    })
    const roles = await ask("roles", { model: "models/minilm" })
    const all = await Effect.runPromise(Effect.all(kinds))
    const own = all.flatMap(({ detecting }) => detecting.columns[formatOf(plan)] ?? [])
    expect(roles.map(({ name }) => name)).toEqual(expect.arrayContaining([...own]))
  })

  test("and several columns for one role are a list; how the file is written is kept", async () => {
    const columns = { text: "review", target: "stars, votes" }
    const names = ["review", "stars", "votes"]
    const { plan } = await ask("outline", { train: "r.csv", names, columns, separator: "tab" })
    expect(plan["data"]).toEqual({
      format: "regression",
      train: "r.csv",
      separator: "tab",
      text: "review",
      target: ["stars", "votes"]
    })
  })
})

test("a value begins as what is given, its default, its example, or what it requires", () => {
  const schema = {
    properties: {
      given: { type: "string" },
      usual: { type: "integer", default: 8 },
      required: { type: "integer", default: 9 },
      shown: { type: "integer", examples: [100, 200] },
      left: { type: "string" },
      open: { type: "string" },
      either: {
        anyOf: [
          { properties: { kind: { enum: ["a"] }, x: { default: 1 } }, required: ["kind", "x"] },
          {
            properties: { kind: { enum: ["b"] }, y: { anyOf: [{ type: "number" }, { enum: ["auto"] }] } },
            required: ["kind", "y"]
          }
        ]
      }
    },
    required: ["required", "left", "either"]
  }
  const rest = { required: 9, shown: 100 }
  expect(initialValue(schema)).toEqual({ ...rest, either: { kind: "a", x: 1 } })
  expect(initialValue(schema, { given: "g", either: { kind: "b" } })).toEqual({
    ...rest,
    given: "g",
    either: { kind: "b", y: "auto" }
  })
})
