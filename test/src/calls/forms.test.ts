/** What each form reads in answers as models write them, and how soon a stream shows text. */
import { describe, expect, test } from "bun:test"
import { callForms, callReader } from "../../../src/calls/index.ts"
import type { Tool } from "../../../src/data/causal/index.ts"
import { fixtures } from "./fixtures.ts"

test("every form has fixtures", () => {
  expect(Object.keys(fixtures).toSorted()).toEqual(Object.keys(callForms).toSorted())
  for (const cases of Object.values(fixtures)) expect(cases.length).toBeGreaterThanOrEqual(10)
})

describe.each(Object.entries(callForms))("%s:", (name, form) => {
  test.each([...fixtures[name]!])("%j", (answer, content, ...calls) => {
    const read = calls.map(([name, given, id]) => ({ ...(id === undefined ? {} : { id }), name, arguments: given }))
    expect(form.parse(answer)).toEqual({ content, calls: read })
    const reader = callReader(form)
    const events = [...[...answer].flatMap(reader.push), ...reader.end()]
    expect(events.map((event) => (event.kind === "text" ? event.text : "")).join("")).toBe(content)
    expect(events.flatMap((event) => (event.kind === "call" ? [event.call] : []))).toEqual(read)
  })
})

test("texts without quotes are what the tool's schema says", () => {
  const properties = {
    zip: { type: "string" },
    maybe: { anyOf: [{ type: "string" }, { type: "null" }] },
    either: { type: ["string", "null"] },
    word: { enum: ["1", "null"] },
    count: { type: "integer" },
    any: {}
  }
  const tools: ReadonlyArray<Tool> = [
    { type: "function", function: { name: "f", parameters: { type: "object", properties } } }
  ]
  const written = { zip: "01234", maybe: "null", either: "7", word: "null", count: "7", any: "true", other: "7.5" }
  const read = { zip: "01234", maybe: null, either: "7", word: "null", count: 7, any: true, other: 7.5 }
  const xml = Object.entries(written).map(([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`)
  const glm = Object.entries(written).map(([key, value]) => `<arg_key>${key}</arg_key><arg_value>${value}</arg_value>`)
  expect(callForms["qwen-xml"].parse(`<tool_call><function=f>${xml.join("")}</function></tool_call>`, tools)).toEqual({
    content: "",
    calls: [{ name: "f", arguments: read }]
  })
  expect(callForms.glm.parse(`<tool_call>f${glm.join("")}</tool_call>`, tools).calls[0]!.arguments).toEqual(read)
})

/** The longest text that a reader holds back while it reads an answer by characters. */
const heldBack = (name: keyof typeof callForms, answer: string): string => {
  const reader = callReader(callForms[name])
  let [shown, held] = ["", ""]
  for (const [i, character] of answer.split("").entries()) {
    for (const event of reader.push(character)) shown += event.kind === "text" ? event.text : ""
    const now = answer.slice(shown.length, i + 1)
    if (now.length > held.length) held = now
  }
  return held
}

test("a stream holds back what may begin a call, and nothing else", () => {
  expect(heldBack("hermes", "if a < b and a <tool_bar> c")).toBe(" <tool_")
  expect(heldBack("hermes", "a <tool_call> b, which is not one")).toBe(" <tool_call> ")
  expect(heldBack("hermes", '<tool_call>{"answer": 1, "because": "of that"}')).toBe('<tool_call>{"answer')
  expect(heldBack("llama-json", '{"answer": {"a": [1, 2]}, "name": "b"}')).toBe('{"answer')
  expect(heldBack("llama-json", 'It is {"name": "f"')).toBe(" ")
  expect(heldBack("pythonic", "[1] says [f(a=1)]")).toBe("[")
  expect(heldBack("pythonic", "[see the page] for more")).toBe("[see")
  expect(heldBack("mistral", "[TOOLS] and [x]")).toBe("[TOOL")
  expect(heldBack("tool-code", "```ts\nf()\n```")).toBe("```t")
  expect(heldBack("gemma4", "<|tool_call>call:f{a:<b and more")).toBe("<|tool_call>call:f{a:<")
})
