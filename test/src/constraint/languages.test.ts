/** Which texts a schema allows, keyword by keyword. */
import { describe, expect, test } from "bun:test"
import { jsonReader, reader } from "./accepts.ts"

interface Language {
  readonly schema: unknown
  readonly yes: ReadonlyArray<string>
  readonly no: ReadonlyArray<string>
}

const closed = { additionalProperties: false }
const languages: Readonly<Record<string, Language>> = {
  "members in their order, those that are not required may be missing": {
    schema: {
      type: "object",
      properties: { a: { type: "null" }, b: { type: "null" }, c: { type: "null" } },
      required: ["b"]
    },
    yes: ['{"b":null}', '{"a":null,"b":null}', '{"b": null, "c":null}', '{"a":null,"b":null,"c":null}'],
    no: [
      "{}",
      '{"a":null}',
      '{"b":null,"a":null}',
      '{"b":null,}',
      '{,"b":null}',
      '{"b":null,"d":null}',
      '{"b":null,"b":null}',
      '{ "b":null}',
      '{"b":  null}'
    ]
  },
  "no member is required": {
    schema: { type: "object", properties: { a: { type: "null" }, b: { type: "null" } } },
    yes: ["{}", '{"a":null}', '{"b":null}', '{"a":null,"b":null}'],
    no: ['{"a":null,}', '{"b":null,"a":null}']
  },
  "one property at least": {
    schema: { type: "object", properties: { a: { type: "null" }, b: { type: "null" } }, minProperties: 1 },
    yes: ['{"a":null}', '{"b":null}', '{"a":null,"b":null}'],
    no: ["{}"]
  },
  "further members come last and are none of the declared": {
    schema: {
      type: "object",
      properties: { a: { type: "null" }, ab: { type: "null" } },
      additionalProperties: { type: "boolean" }
    },
    yes: [
      "{}",
      '{"a":null}',
      '{"x":true}',
      '{"a":null,"ab":null,"abc":false,"":true}',
      '{"ab":null,"A":true}',
      '{"\\n":true}'
    ],
    no: ['{"a":true}', '{"ab":false}', '{"x":true,"a":null}', '{"\\u0061":true}', '{"x":null}']
  },
  "a record": {
    schema: { type: "object", additionalProperties: { type: "integer" }, propertyNames: { pattern: "^k\\d$" } },
    yes: ["{}", '{"k1":1}', '{"k1":1,"k2":2}'],
    no: ['{"k":1}', '{"k1":"x"}', '{"xk1":1}']
  },
  "names of an enum": {
    schema: {
      type: "object",
      propertyNames: { enum: ["a.b", "c"] },
      additionalProperties: { type: "null" },
      required: ["c"]
    },
    yes: ['{"c":null}', '{"c":null,"a.b":null}'],
    no: ["{}", '{"a.b":null}', '{"c":null,"axb":null}', '{"c":null,"c":null}']
  },
  "an array's length": {
    schema: { type: "array", items: { enum: [1] }, minItems: 1, maxItems: 3 },
    yes: ["[1]", "[1,1]", "[1, 1,1]"],
    no: ["[]", "[1,1,1,1]", "[1,]", "[,1]", "[1 ,1]"]
  },
  "an array without bounds": {
    schema: { type: "array", items: { type: "null" } },
    yes: ["[]", "[null]", "[null,null,null]"],
    no: ["[1]", "[null"]
  },
  "at least two": {
    schema: { type: "array", items: { type: "null" }, minItems: 2 },
    yes: ["[null,null]", "[null,null,null]"],
    no: ["[]", "[null]"]
  },
  "a tuple": {
    schema: { type: "array", prefixItems: [{ type: "null" }, { type: "boolean" }] },
    yes: ["[null,true]"],
    no: ["[]", "[null]", "[true,null]", "[null,true,null]"]
  },
  "a tuple with a rest": {
    schema: { type: "array", prefixItems: [{ type: "null" }], items: { type: "boolean" }, minItems: 1 },
    yes: ["[null]", "[null,true,false]"],
    no: ["[]", "[true]", "[null,null]"]
  },
  "an older tuple": {
    schema: { type: "array", items: [{ type: "null" }, { type: "boolean" }], additionalItems: false, minItems: 1 },
    yes: ["[null]", "[null,true]"],
    no: ["[null,true,true]", "[]"]
  },
  "values, equal whatever their keys' order": {
    schema: {
      enum: [{ a: 1, b: ["é", null] }, "x", 2.5, null, true],
      allOf: [{ enum: [{ b: ["é", null], a: 1 }, "x", "y"] }]
    },
    yes: ['{"a":1,"b":["é",null]}', '{"a": 1, "b": ["é", null]}', '"x"'],
    no: ['"y"', "2.5", "null", '{"b":["é",null],"a":1}']
  },
  "values within the other keywords": {
    schema: { type: ["string", "integer"], enum: ["a", "abc", 1, 1.5, 7], maxLength: 2, maximum: 5 },
    yes: ['"a"', "1"],
    no: ['"abc"', "1.5", "7"]
  },
  "a length in characters and in units": {
    schema: { type: "string", minLength: 2, maxLength: 3 },
    yes: ['"ab"', '"abc"', '"éé"', '"a😀"', '"\\n\\""', '"日本語"'],
    no: ['"a"', '"abcd"', '"😀"', '"😀😀"', '"\\u0061b"', '""']
  },
  "any string in any spelling": {
    schema: { type: "string" },
    yes: [
      '""',
      '"é😀"',
      '"\\u00e9"',
      '"\\ud83d\\ude00"',
      '"\\uD83D\\uDE00"',
      '"\\/\\b\\f\\n\\r\\t\\\\\\""',
      '"\u007f\u2028"'
    ],
    no: ['"\n"', '"\\x"', '"\\ud83d"', '"\\ude00"', '"\\ud83d\\u0041"', '"a', 'a"', '"\\u00g0"', "'a'"]
  },
  "a pattern, anywhere in the string": {
    schema: { type: "string", pattern: "b+" },
    yes: ['"b"', '"abba"', '"é\\nb"'],
    no: ['"a"', '""']
  },
  "a pattern from the start": {
    schema: { type: "string", pattern: "^ab" },
    yes: ['"ab"', '"abc"'],
    no: ['"cab"', '"a"']
  },
  "a pattern at the end": {
    schema: { type: "string", pattern: "ab$|^$" },
    yes: ['"ab"', '"cab"', '""'],
    no: ['"abc"']
  },
  "a pattern with escapes": {
    schema: { type: "string", pattern: '^["\\\\\\n\\u0001/é-ü]{2}$' },
    yes: ['"\\"\\\\"', '"\\n\\u0001"', '"/ö"'],
    no: ['"a/"', '"\\/é"', '"\\u000a/"']
  },
  "a pattern and a length": {
    schema: { type: "string", pattern: "^(ab)*$", minLength: 3, maxLength: 6 },
    yes: ['"abab"', '"ababab"'],
    no: ['"ab"', '"abababab"', '""']
  },
  "two patterns": {
    schema: { allOf: [{ type: "string", pattern: "^a" }, { pattern: "z$" }] },
    yes: ['"az"', '"a-z"'],
    no: ['"a"', '"z"', '"za"']
  },
  "characters beyond the first plane": {
    schema: { type: "string", pattern: "^[^a]$" },
    yes: ['"😀"', '"b"', '"\\""'],
    no: ['"a"', '"bb"']
  },
  dates: {
    schema: { type: "string", format: "date" },
    yes: ['"2024-02-29"', '"1999-12-31"', '"2000-02-29"'],
    no: ['"2023-02-29"', '"1900-02-29"', '"2024-13-01"', '"2024-04-31"', '"24-01-01"']
  },
  "dates with times": {
    schema: { type: "string", format: "date-time" },
    yes: ['"2024-02-29T23:59:59Z"', '"2024-01-01T00:00:00.123+05:30"'],
    no: ['"2024-02-29"', '"2024-02-29T24:00:00Z"', '"2024-02-29 10:00:00Z"']
  },
  uuid: {
    schema: { type: "string", format: "uuid" },
    yes: ['"123e4567-e89b-12d3-a456-426614174000"'],
    no: ['"123e4567e89b12d3a456426614174000"', '"x23e4567-e89b-12d3-a456-426614174000"']
  },
  email: {
    schema: { type: "string", format: "email" },
    yes: ['"a.b@c.org"'],
    no: ['"a@b"', '"@b.org"', '"a b@c.org"']
  },
  "one of some types": { schema: { type: ["null", "integer"] }, yes: ["null", "-7"], no: ["1.5", "true"] },
  "options, merged with what is beside them": {
    schema: {
      type: "object",
      required: ["k"],
      anyOf: [{ properties: { k: { const: "a" } } }, { properties: { k: { type: "integer" }, l: { type: "null" } } }]
    },
    yes: ['{"k":"a"}', '{"k":1}', '{"k":1,"l":null}'],
    no: ["{}", '{"k":"b"}', '{"k":"a","l":null}', '{"l":null}']
  },
  "alternatives by a constant": {
    schema: {
      oneOf: [
        { type: "object", properties: { t: { const: "x" }, a: { type: "null" } }, required: ["t", "a"], ...closed },
        { type: "object", properties: { t: { const: "y" } }, required: ["t"], ...closed }
      ]
    },
    yes: ['{"t":"x","a":null}', '{"t":"y"}'],
    no: ['{"t":"x"}', '{"t":"y","a":null}', '{"t":"z"}']
  },
  "checks that are merged": {
    schema: {
      allOf: [
        { type: "integer", minimum: 3 },
        { allOf: [{ maximum: 9 }, { multipleOf: 2 }] },
        { $ref: "#/$defs/not4" }
      ],
      $defs: { not4: { enum: [4, 5, 6, 8] } }
    },
    yes: ["4", "6", "8"],
    no: ["5", "2", "10"]
  },
  "properties of several parts": {
    schema: {
      allOf: [
        { type: "object", properties: { a: { type: "integer" } } },
        { properties: { b: { type: "null" }, a: { minimum: 5 } }, required: ["a"] }
      ]
    },
    yes: ['{"a":5}', '{"a":7,"b":null}'],
    no: ['{"a":4}', '{"b":null}', '{"a":5,"c":1}']
  },
  recursion: {
    schema: {
      $ref: "#/$defs/tree",
      $defs: {
        tree: {
          type: "object",
          properties: { v: { type: "integer" }, of: { type: "array", items: { $ref: "#/$defs/tree" } } },
          required: ["v"]
        }
      }
    },
    yes: ['{"v":1}', '{"v":1,"of":[]}', '{"v":1,"of":[{"v":2,"of":[{"v":3}]},{"v":4}]}'],
    no: ['{"of":[]}', '{"v":1,"of":[{}]}']
  },
  "recursion to the root": {
    schema: { type: "array", items: { $ref: "#" } },
    yes: ["[]", "[[],[[]]]"],
    no: ["[1]", "[[]"]
  },
  anything: {
    schema: {},
    yes: ['{"a":[1,-2.5e-3,{"b":null}],"":""}', "[]", "0", '"x"', "true"],
    no: ["", "01", "1.", "{a:1}", "[1,]", "nul"]
  },
  "a value that is never allowed may be left out": {
    schema: { type: "object", properties: { a: false, b: true } },
    yes: ["{}", '{"b":[1]}'],
    no: ['{"a":1}']
  },
  "descriptions mean nothing": {
    schema: { title: "t", description: "d", default: 3, examples: [1], $comment: "c", deprecated: true, type: "null" },
    yes: ["null"],
    no: ["3"]
  }
}

describe("a schema allows", () => {
  for (const [name, { schema, yes, no }] of Object.entries(languages)) {
    test(name, () => {
      const reads = jsonReader(schema)
      expect(yes.filter((text) => !reads(text))).toEqual([])
      expect(no.filter(reads)).toEqual([])
    })
  }
})

describe("grammars", () => {
  test("parts, choices and repetitions", () => {
    const reads = reader({
      kind: "sequence",
      parts: [
        { kind: "text", text: "<" },
        {
          kind: "repeat",
          body: {
            kind: "choice",
            options: [
              { kind: "text", text: "é" },
              { kind: "json", schema: { type: "integer" } }
            ]
          },
          between: "; ",
          min: 1,
          max: 3
        },
        { kind: "text", text: ">" }
      ]
    })
    expect(["<é>", "<1>", "<é; 12; é>"].filter((text) => !reads(text))).toEqual([])
    expect(["<>", "<é;1>", "<1; 1; 1; 1>", "<1", "é"].filter(reads)).toEqual([])
  })
  test("repetitions without an end", () => {
    for (const min of [0, 1, 3]) {
      const reads = reader({ kind: "repeat", body: { kind: "text", text: "a" }, between: "-", min, max: null })
      for (let count = 0; count < 6; count++) {
        expect(reads(new Array<string>(count).fill("a").join("-"))).toBe(count >= min)
      }
    }
  })
  test("a body that may be empty does not loop", () => {
    const empty = { kind: "repeat", body: { kind: "text", text: "" }, between: "", min: 0, max: null } as const
    const reads = reader({ kind: "sequence", parts: [empty, { kind: "text", text: "x" }] })
    expect(reads("x")).toBe(true)
    expect(reads("")).toBe(false)
  })
  test("members as a call writes its arguments", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "integer" }, on: { type: "boolean" }, n: { type: "null" } },
      required: ["a"]
    }
    const reads = reader({
      kind: "sequence",
      parts: [
        { kind: "text", text: "f(" },
        {
          kind: "members",
          schema,
          equals: "=",
          comma: ", ",
          style: { literals: ["True", "False", "None"], comma: ", ", colon: ": " }
        },
        { kind: "text", text: ")" }
      ]
    })
    expect(["f(a=1)", "f(a=1, on=True)", "f(a=1, on=False, n=None)"].filter((text) => !reads(text))).toEqual([])
    expect(["f()", "f(a=1,on=True)", "f(a=1, on=true)", "f(on=True)"].filter(reads)).toEqual([])
  })
  test("a style without a choice", () => {
    const schema = { type: "object", properties: { a: { type: "array", items: { type: "null" } } }, required: ["a"] }
    const reads = jsonReader(schema, { comma: ",", colon: ": " })
    expect(reads('{"a": [null,null]}')).toBe(true)
    expect(['{"a":[null,null]}', '{"a": [null, null]}'].filter(reads)).toEqual([])
  })
})

test("a string with a large maximum has 4,096 characters at most, and as many as its minimum", () => {
  const reads = jsonReader({ type: "string", maxLength: 1e9 })
  expect([reads(`"${"a".repeat(4_096)}"`), reads(`"${"a".repeat(4_097)}"`)]).toEqual([true, false])
  const long = jsonReader({ type: "string", minLength: 5_000, maxLength: 1e9 })
  expect([long(`"${"a".repeat(4_999)}"`), long(`"${"a".repeat(5_000)}"`)]).toEqual([false, true])
})
