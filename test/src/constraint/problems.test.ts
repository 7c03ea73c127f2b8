/** What is not supported or not valid is said before a token is written, all of it, each with its place. */
import { describe, expect, test } from "bun:test"
import { problemsOf } from "./accepts.ts"

describe("problems", () => {
  test("all at once, each with its place", () => {
    const schema = {
      type: "object",
      properties: {
        a: { not: { type: "string" } },
        "b/c": { type: "string", pattern: "(?=a)b" },
        d: { type: "array", items: { $ref: "https://example.org/schema" }, uniqueItems: true },
        e: { type: "text" },
        f: { type: "number", multipleOf: 0.1 }
      },
      required: "a"
    }
    expect([...problemsOf(schema)].sort()).toEqual([
      "#/properties/a/not: not is not supported",
      '#/properties/b~1c: pattern "(?=a)b" looks ahead or back, which is not supported',
      '#/properties/d/items/$ref: $ref "https://example.org/schema" is not in this schema; only references within it are supported',
      "#/properties/d/uniqueItems: uniqueItems is not supported",
      "#/properties/e/type: type is not valid; expected a type of JSON Schema, or a list of them",
      "#/properties/f/multipleOf: multipleOf is supported for integers above 0 only",
      "#/required: required is not valid; expected a list of names"
    ])
  })
  const one: ReadonlyArray<readonly [name: string, schema: unknown, problem: string]> = [
    ...["if", "then", "else", "contains", "dependentRequired", "dependentSchemas", "$dynamicRef"].map(
      (key) => [key, { [key]: {} }, `#/${key}: ${key} is not supported`] as const
    ),
    [
      "patternProperties",
      { type: "object", patternProperties: { a: {} } },
      "#/patternProperties: patternProperties is not supported"
    ],
    [
      "a format",
      { type: "string", format: "uri" },
      '#/format: format "uri" is not supported (date, time, date-time, uuid, email, ipv4 are)'
    ],
    [
      "a word border",
      { type: "string", pattern: "\\ba" },
      '#: pattern "\\\\ba" has a word boundary, which is not supported'
    ],
    [
      "a reference within a pattern",
      { type: "string", pattern: "(a)\\1" },
      '#: pattern "(a)\\\\1" refers back to a group, and the time of that has no bound; expected a pattern without'
    ],
    [
      "what is not a pattern",
      { type: "string", pattern: "(" },
      '#: pattern "(" is not a regular expression with the flag u'
    ],
    [
      "alternatives that overlap",
      { oneOf: [{ type: "integer" }, { type: "number", minimum: 3 }] },
      "#/oneOf: oneOf is supported for alternatives that differ in their types or in a required constant; 0 and 1 may both match"
    ],
    [
      "a cycle",
      { $ref: "#/$defs/a", $defs: { a: { anyOf: [{ type: "null" }, { $ref: "#/$defs/a" }] } } },
      "#/$defs/a: refers to itself before any value begins"
    ],
    ["what is not a schema", { type: "array", items: 3 }, "#/items: items is not valid; expected a schema"],
    [
      "many properties at least",
      { type: "object", properties: { a: {}, b: {} }, minProperties: 2 },
      "#: minProperties 2 is supported up to the number of required properties, or 1"
    ],
    [
      "a length with too many states",
      { type: "string", pattern: "^[a-z]+$", maxLength: 100_000 },
      "#: its pattern and length together have too many states"
    ]
  ]
  for (const [name, schema, problem] of one) test(name, () => expect(problemsOf(schema)).toContain(problem))
})

describe("a schema that allows nothing", () => {
  const nothing = (path: string) => [`${path}: allows no value that can be written`]
  test("is said to", () => {
    expect(problemsOf(false)).toEqual(nothing("#"))
    expect(problemsOf({ type: "integer", minimum: 5, maximum: 4 })).toEqual(nothing("#"))
    expect(problemsOf({ type: "string", minLength: 3, pattern: "^a?$" })).toEqual(nothing("#"))
    expect(problemsOf({ enum: [] })).toEqual(nothing("#"))
    expect(problemsOf({ allOf: [{ type: "string" }, { type: "null" }] })).toEqual(nothing("#"))
    expect(problemsOf({ type: "integer", minimum: 1e16 })).toEqual(nothing("#"))
  })
  test("is named where it is required, and left out where it is not", () => {
    const never = { type: "array", items: false, minItems: 1 }
    expect(problemsOf({ type: "object", properties: { a: never, b: true }, required: ["a"] })).toEqual(
      nothing("#/properties/a/items")
    )
    expect(problemsOf({ type: "object", properties: { a: never, b: true }, required: ["b"] })).toEqual([])
    expect(problemsOf({ anyOf: [never, { type: "null" }] })).toEqual([])
  })
  test("a recursion that never ends", () => {
    const endless = { type: "object", properties: { next: { $ref: "#" } }, required: ["next"] }
    expect(problemsOf(endless)).toEqual(nothing("#/properties/next"))
  })
})
