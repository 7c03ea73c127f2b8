/** Forms with unquoted or unescaped texts. No grammar describes such a text, which may contain anything but its end. */
import type { JsonFields, Tool, ToolCall } from "../data/causal/index.ts"
import { skipSpace, take, takeIf, takeName, takeUntil } from "./input.ts"
import { block, callForm } from "./reader.ts"
import { marked, pythonWords, takeFields } from "./values.ts"

/** Creates the form `call:name{key:value, …}` between two marks, with strings between two of a third mark. */
const gemmaForm = (opening: string, close: string, mark: string) =>
  callForm(
    null,
    block(
      opening,
      function* (input) {
        yield* take(input, "call:")
        const name = yield* takeName(input)
        yield* take(input, "{")
        return [{ name, arguments: yield* takeFields(input, marked(mark)) }]
      },
      close
    )
  )

/** FunctionGemma: `<start_function_call>call:name{key:<escape>text<escape>}<end_function_call>`. */
export const gemma = gemmaForm("<start_function_call>", "<end_function_call>", "<escape>")

/** Gemma 4: `<|tool_call>call:name{key:<|"|>text<|"|>}<tool_call|>`. */
export const gemma4 = gemmaForm("<|tool_call>", "<tool_call|>", '<|"|>')

type Texts = Array<readonly [key: string, text: string]>

/** Qwen3-Coder, Qwen 3.5, Nemotron 3: `<tool_call>\n<function=name>\n<parameter=key>\nvalue\n</parameter>\n</function>\n</tool_call>`. */
export const qwenXml = callForm(
  null,
  block(
    "<tool_call>",
    function* (input, tools) {
      yield* take(input, "<function=")
      const name = yield* takeName(input)
      yield* take(input, ">")
      const texts: Texts = []
      yield* skipSpace(input)
      while (!(yield* takeIf(input, "</function>"))) {
        yield* take(input, "<parameter=")
        const key = yield* takeUntil(input, ">")
        // the line breaks around a value belong to the form
        texts.push([key, (yield* takeUntil(input, "</parameter>")).replace(/^\n/, "").replace(/\n$/, "")])
        yield* skipSpace(input)
      }
      return [callOf(name, texts, tools)]
    },
    "</tool_call>"
  )
)

/** GLM 4: `<tool_call>name\n<arg_key>key</arg_key>\n<arg_value>value</arg_value>\n</tool_call>`. */
export const glm = callForm(
  null,
  block("<tool_call>", function* (input, tools) {
    const name = yield* takeName(input)
    const texts: Texts = []
    yield* skipSpace(input)
    while (!(yield* takeIf(input, "</tool_call>"))) {
      yield* take(input, "<arg_key>")
      const key = yield* takeUntil(input, "</arg_key>")
      yield* skipSpace(input)
      yield* take(input, "<arg_value>")
      texts.push([key, yield* takeUntil(input, "</arg_value>")])
      yield* skipSpace(input)
    }
    return [callOf(name, texts, tools)]
  })
)

const callOf = (name: string, texts: Texts, tools: ReadonlyArray<Tool>): ToolCall => {
  const tool = tools.find(({ function: { name: declared } }) => declared === name)
  const properties = tool?.function.parameters?.["properties"] as JsonFields | undefined
  return { name, arguments: Object.fromEntries(texts.map(([key, text]) => [key, valueIn(text, properties?.[key])])) }
}

/** Parses an unquoted text: a string if the schema allows one, otherwise JSON or a Python literal. */
const valueIn = (text: string, schema: unknown): unknown => {
  const isNull = text === "null" || text === "None"
  if (allows(schema, "string") && !(isNull && allows(schema, "null"))) return text
  if (Object.hasOwn(pythonWords, text)) return pythonWords[text]
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Checks whether a schema allows a type. */
const allows = (schema: unknown, type: "string" | "null"): boolean => {
  if (typeof schema !== "object" || schema === null) return false
  const { type: types, enum: values, anyOf, oneOf } = schema as JsonFields
  if (types !== undefined) return [types].flat().includes(type)
  if (Array.isArray(values)) return values.some((value) => (value === null ? "null" : typeof value) === type)
  return [anyOf, oneOf].flat().some((option) => allows(option, type))
}
