/** Every text that a form's grammar allows is calls of the tools and nothing else. */
import { describe, expect, test } from "bun:test"
import { callForms } from "../../../src/calls/index.ts"
import type { Grammar, JsonStyle } from "../../../src/constraint/index.ts"
import type { JsonFields, Tool } from "../../../src/data/causal/index.ts"
import { type Choices, choices } from "./writers.ts"

const tool = (name: string, parameters?: JsonFields): Tool => ({
  type: "function",
  function: { name, ...(parameters === undefined ? {} : { parameters }) }
})
const tools = [
  tool("get_weather", {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer" }, hourly: { type: "boolean" } },
    required: ["city"]
  }),
  tool("list-timers"),
  tool("shop.search", {
    type: "object",
    properties: {
      "the filters": { type: "object", properties: { none: { type: "null" } }, additionalProperties: false }
    },
    additionalProperties: { type: "boolean" }
  })
]

type Schema = {
  readonly type: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: ReadonlyArray<string>
  readonly additionalProperties?: unknown
}

/** A random text of a grammar, schemas of the tools above understood. */
const sample = (grammar: Grammar, random: Choices): string => {
  const { below, oneOf } = random
  const members = (
    { properties = {}, required = [], additionalProperties }: Schema,
    style: JsonStyle | undefined,
    key: (name: string) => string
  ) => {
    const names = Object.keys(properties).filter((name) => required.includes(name) || below(2) === 0)
    const written = names.map((name) => key(name) + value(properties[name]!, style))
    if (additionalProperties === undefined) throw new Error("a call may have any arguments")
    if (typeof additionalProperties === "object" && below(2) === 0) {
      written.push(key("more") + value(additionalProperties as Schema, style))
    }
    return written.join(style?.comma ?? oneOf([",", ", "]))
  }
  const value = (schema: Schema, style: JsonStyle | undefined): string => {
    const [yes, no, nothing] = style?.literals ?? ["true", "false", "null"]
    if (schema.type === "object") {
      return `{${members(schema, style, (name) => JSON.stringify(name) + (style?.colon ?? oneOf([":", ": "])))}}`
    }
    if (schema.type === "boolean") return oneOf([yes, no])
    if (schema.type === "null") return nothing
    if (schema.type === "integer") return String(below(100) - 50)
    return oneOf(['"Oslo"', '""', '"a \\"b\\" \\\\ \\n \\u00e9 } ] ) \\/"', '"日本👍 it\'s"'])
  }
  switch (grammar.kind) {
    case "text":
      return grammar.text
    case "json":
      return value(grammar.schema as Schema, grammar.style)
    case "members":
      return members(
        grammar.schema as Schema,
        { ...grammar.style, comma: grammar.comma },
        (key) => key + grammar.equals
      )
    case "sequence":
      return grammar.parts.map((part) => sample(part, random)).join("")
    case "after-text":
      return sample(grammar.body, random)
    case "choice":
      return sample(oneOf(grammar.options), random)
    case "repeat": {
      const most = grammar.max ?? grammar.min + 3
      const count = grammar.min + below(most - grammar.min + 1)
      return Array.from({ length: count }, () => sample(grammar.body, random)).join(grammar.between)
    }
  }
}

const withGrammar = Object.entries(callForms).filter(([, { grammar }]) => grammar !== null)

test("forms that write text between marks have no grammar, all others have one", () => {
  const without = Object.entries(callForms).filter(([, { grammar }]) => grammar === null)
  expect(without.map(([name]) => name)).toEqual(["qwen-xml", "glm", "gemma", "gemma4"])
})

describe.each(withGrammar)("%s:", (name, form) => {
  test.each([false, true])("parallel: %p", (parallel) => {
    const random = choices(1, name)
    const grammar = form.grammar!(tools, { parallel })
    const counts = new Set<number>()
    const called = new Set<string>()
    for (let i = 0; i < 300; i++) {
      const text = sample(grammar, random)
      const { content, calls } = form.parse(text)
      expect([text, content]).toEqual([text, ""])
      counts.add(calls.length)
      for (const call of calls) {
        called.add(call.name)
        if (call.name === "list-timers") expect(call.arguments).toEqual({})
        if (call.name === "get_weather") expect(typeof call.arguments["city"]).toBe("string")
        expect(call.id ?? "a23456789").toMatch(/^[A-Za-z0-9]{9}$/)
      }
    }
    expect([...counts].toSorted()).toEqual(parallel ? [1, 2, 3, 4] : [1])
    expect([...called].toSorted()).toEqual(["get_weather", "list-timers", "shop.search"])
  })
})

test("grammars write as transformers does", () => {
  const only = [tool("get_weather", { type: "object", properties: { city: { type: "string" } }, required: ["city"] })]
  const first = { below: () => 0, oneOf: <T>(values: ReadonlyArray<T>): T => values[0]! }
  const written = withGrammar.map(([name, form]) => [name, sample(form.grammar!(only, { parallel: true }), first)])
  expect(Object.fromEntries(written)).toEqual({
    hermes: '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    mistral: '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Oslo"}, "id": "AAAAAAAAA"}]',
    "mistral-args": '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}',
    phi: '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Oslo"}}]<|/tool_call|>',
    functools: 'functools[{"name": "get_weather", "arguments": {"city": "Oslo"}}]',
    deepseek:
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "Oslo"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    lfm2: '<|tool_call_start|>[get_weather(city="Oslo")]<|tool_call_end|>',
    "tool-code": '```tool_code\nget_weather(city="Oslo")\n```',
    "llama-json": '{"name": "get_weather", "parameters": {"city": "Oslo"}}',
    pythonic: '[get_weather(city="Oslo")]'
  })
})
