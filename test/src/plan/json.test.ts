import { describe, expect, test } from "bun:test"
import { JsonSyntaxError, parseJson } from "../../../src/plan/json.ts"

test.each([
  ["{}"],
  ["[]"],
  [' [1, -0.5, 1e-8, 12E+3, true, false, null, "a\\n\\u00e9\\"b\\\\", [], {"a": {}}]\n'],
  ['{"a": [1, {"b": "c"}], "": 0}'],
  ['"\\\\"'],
  ["3"]
])("reads %s as the engine does", (text) => {
  expect(parseJson(text)).toEqual(JSON.parse(text))
})

test("a byte order mark and __proto__ do no harm", () => {
  expect(parseJson('\uFEFF{"a": 1}')).toEqual({ a: 1 })
  expect(Object.keys(parseJson('{"__proto__": 1}') as object)).toEqual(["__proto__"])
})

/** Line, column and reason of a refused text. */
const refusal = (text: string) => {
  try {
    parseJson(text)
  } catch (error) {
    if (error instanceof JsonSyntaxError) return [error.position.line, error.position.column, error.message]
    throw error
  }
  throw new Error("not refused")
}

describe("what is not JSON has a place and a reason", () => {
  test.each<[string, number, number, string]>([
    ["", 1, 1, "the file is empty"],
    [" \n ", 2, 2, "the file is empty"],
    ['{\n  "a": 1,\n}', 2, 9, 'a comma before "}"'],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, 'found "\\""; expected "," or "}"'],
    ['{"a" 1}', 1, 6, 'found "1"; expected ":" after the key "a"'],
    ["{a: 1}", 1, 2, 'found "a"; expected a key in double quotes'],
    ["{\"a\": 'b'}", 1, 7, "strings need double quotes"],
    ['{"a": NaN}', 1, 7, 'found "NaN" instead of a value'],
    ['{"a": 01}', 1, 8, 'found "1"; expected "," or "}"'],
    ['{"a": .5}', 1, 7, 'found "." instead of a value'],
    ['{"a": ', 1, 7, "found the end of the file instead of a value"],
    ['{"a": [1, 2', 1, 12, 'found the end of the file; expected "," or "]"'],
    ['{"a": 1} 2', 1, 10, 'found "2" after the end of the document'],
    ['{\n  // rank\n  "a": 1 }', 2, 3, "comments are not allowed in a plan"],
    ['{"a": "b\n}', 1, 7, "a string that is not closed on its line"],
    ['{"a": "C:\\data"}', 1, 7, "a string with a backslash or control character that JSON does not allow"],
    ['{"a": 1,\r\n "a": 2}', 2, 2, 'the key "a" a second time in the same object'],
    ["[1,]", 1, 3, 'a comma before "]"']
  ])("%p", (text, line, column, reason) => {
    expect(refusal(text)).toEqual([line, column, reason])
  })

  test("too many levels to read", () => {
    expect(refusal("[".repeat(1000))).toEqual([
      1,
      66,
      "more than 64 levels (limit json-depth; TFJS_LORA_PRO_LIMITS=json-depth=N raises it)"
    ])
  })
})
