/** Writes calls in every form, written from the descriptions of the forms and independent of the sources. */
import type { Tool, ToolCall } from "../../../src/data/causal/index.ts"
import { randomStream } from "../../../src/numbers/random.ts"

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** Choices of a seeded stream. */
export const choices = (seed: number, name: string) => {
  const random = randomStream(seed, name)
  const below = (count: number) => Math.floor(random() * count)
  const oneOf = <T>(values: ReadonlyArray<T>): T => values[below(values.length)]!
  return { below, oneOf }
}
export type Choices = ReturnType<typeof choices>

/** As Python's `json.dumps` writes it; `ascii`: other characters as escapes. */
export const dumps = (value: unknown, ascii = false): string => {
  if (Array.isArray(value)) return `[${value.map((item) => dumps(item, ascii)).join(", ")}]`
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(([key, item]) => `${dumps(key, ascii)}: ${dumps(item, ascii)}`)
    return `{${members.join(", ")}}`
  }
  const text = JSON.stringify(value)
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
  return ascii ? text.replaceAll(/[^\0-\x7f]/g, escaped) : text
}

/** As Python's `repr` writes it. */
export const repr = (value: Json): string => {
  if (value === null) return "None"
  if (typeof value === "boolean") return value ? "True" : "False"
  if (typeof value === "number") return String(value)
  if (typeof value === "object") {
    return Array.isArray(value)
      ? `[${value.map(repr).join(", ")}]`
      : `{${Object.entries(value)
          .map(([key, item]) => `${repr(key)}: ${repr(item)}`)
          .join(", ")}}`
  }
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'"
  const names: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" }
  const body = [...value].map((character) => {
    if (character === quote) return `\\${quote}`
    return (
      names[character] ?? (character < " " ? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}` : character)
    )
  })
  return quote + body.join("") + quote
}

/** As Gemma's templates write arguments. */
const gemmaValue = (value: Json, mark: string): string => {
  if (typeof value === "string") return mark + value + mark
  if (Array.isArray(value)) return `[${value.map((item) => gemmaValue(item, mark)).join(",")}]`
  if (typeof value !== "object" || value === null) return repr(value).replace("True", "true").replace("False", "false")
  return `{${Object.entries(value)
    .map(([key, item]) => `${key}:${gemmaValue(item, mark)}`)
    .join(",")}}`
}

const pythonCall = ({ name, arguments: given }: ToolCall) =>
  `${name}(${Object.entries(given)
    .map(([key, value]) => `${key}=${repr(value as Json)}`)
    .join(", ")})`

/** A text unchanged, other values as JSON. */
const bare = (value: unknown): string => (typeof value === "string" ? value : dumps(value))

const object = (call: ToolCall, key: string, ascii: boolean) =>
  `{"name": ${dumps(call.name)}, "${key}": ${dumps(call.arguments, ascii)}${
    call.id === undefined ? "" : `, "id": "${call.id}"`
  }}`

/** One way of writing calls. */
export interface Writer {
  /** the calls as one block or as blocks that follow one another */
  readonly write: (calls: ReadonlyArray<ToolCall>, choices: Choices) => string
  /** what no text of an argument may hold; default: nothing */
  readonly end?: string
  /** nothing may precede the calls; default false */
  readonly first?: true
  /** names of parameters, values within values and texts are whatever JSON allows; default false */
  readonly any?: true
  readonly ids?: true
}

const each =
  (write: (call: ToolCall, choices: Choices) => string, between: string): Writer["write"] =>
  (calls, random) =>
    calls.map((call) => write(call, random)).join(between)

const gemma = (opening: string, close: string, mark: string): Writer => ({
  write: each(({ name, arguments: given }) => `${opening}call:${name}${gemmaValue(given as Json, mark)}${close}`, ""),
  end: mark
})

/** By the names of the forms. */
export const writers: Readonly<Record<string, Writer>> = {
  hermes: {
    write: each((call, { oneOf }) => {
      const space = oneOf(["\n", "", " "])
      return `<tool_call>${space}${object(call, "arguments", oneOf([true, false]))}${space}</tool_call>`
    }, "\n"),
    any: true
  },
  "qwen-xml": {
    write: each(
      ({ name, arguments: given }) =>
        `<tool_call>\n<function=${name}>\n${Object.entries(given)
          .map(([key, value]) => `<parameter=${key}>\n${bare(value)}\n</parameter>\n`)
          .join("")}</function>\n</tool_call>`,
      "\n"
    ),
    end: "</parameter>"
  },
  glm: {
    write: each(
      ({ name, arguments: given }, { oneOf }) =>
        `<tool_call>${name}${oneOf(["\n", ""])}${Object.entries(given)
          .map(([key, value]) => `<arg_key>${key}</arg_key>\n<arg_value>${bare(value)}</arg_value>\n`)
          .join("")}</tool_call>`,
      "\n"
    ),
    end: "</arg_value>"
  },
  mistral: {
    write: (calls, { oneOf }) =>
      `[TOOL_CALLS]${oneOf([" ", ""])}[${calls.map((call) => object(call, "arguments", false)).join(", ")}]`,
    any: true,
    ids: true
  },
  "mistral-args": {
    write: each(
      ({ id, name, arguments: given }) =>
        `[TOOL_CALLS]${name}${id === undefined ? "" : `[CALL_ID]${id}`}[ARGS]${dumps(given)}`,
      ""
    ),
    any: true,
    ids: true
  },
  phi: {
    write: (calls) =>
      `<|tool_call|>[${calls.map((call) => object(call, "arguments", false)).join(", ")}]<|/tool_call|>`,
    any: true
  },
  functools: {
    write: (calls) => `functools[${calls.map((call) => object(call, "arguments", true)).join(",")}]`,
    any: true
  },
  deepseek: {
    write: (calls) =>
      `<｜tool▁calls▁begin｜>${calls
        .map(
          ({ name, arguments: given }) =>
            `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${dumps(given)}\n\`\`\`<｜tool▁call▁end｜>`
        )
        .join("\n")}<｜tool▁calls▁end｜>`,
    any: true
  },
  gemma: gemma("<start_function_call>", "<end_function_call>", "<escape>"),
  gemma4: gemma("<|tool_call>", "<tool_call|>", '<|"|>'),
  lfm2: { write: (calls) => `<|tool_call_start|>[${calls.map(pythonCall).join(", ")}]<|tool_call_end|>` },
  "tool-code": {
    write: (calls, { oneOf }) =>
      `\`\`\`tool_code\n${
        oneOf([true, false]) ? `[${calls.map(pythonCall).join(", ")}]` : calls.map(pythonCall).join("\n")
      }\n\`\`\``
  },
  "llama-json": {
    write: (calls, { oneOf }) =>
      oneOf(["", "<|python_tag|>"]) +
      each(
        (call, random) => object(call, random.oneOf(["parameters", "parameters", "arguments"]), false),
        oneOf(["; ", "\n", ";"])
      )(calls, { oneOf } as Choices),
    first: true,
    any: true
  },
  pythonic: { write: (calls) => `[${calls.map(pythonCall).join(", ")}]`, first: true }
}

const signs = [
  ..."ab \n\t\\\"'{}[]<>(),:;=é日👍`#/",
  "</tool_call>",
  "<tool_call>",
  "\\u0041",
  '{"name": "x", "arguments": {}}',
  "[f(a=1)]",
  "True",
  "null",
  "12",
  "ω7ω"
]

/** Random calls, and tools that declare the types of their arguments. `marks`: every text holds another one, which no other text does. */
export const randomCalls = (writer: Writer, random: Choices, marks?: () => string) => {
  const { below, oneOf } = random
  const text = (): string => {
    const some = Array.from({ length: below(8) }, () => oneOf(signs)).join("") + (marks?.() ?? "")
    return writer.end !== undefined && some.includes(writer.end) ? text() : some
  }
  const key = (i: number) =>
    `${oneOf(["key", "city_name", "x", "größe"])}_${i}${writer.any ? oneOf(["", " a", '"', "👍"]) : ""}`
  const value = (depth: number): Json => {
    const kind = below(depth === 0 ? 5 : 7)
    if (kind === 0) return oneOf([true, false])
    if (kind === 1) return null
    if (kind === 2) return oneOf([0, 1, -1, 3.25, 1e-7, 1e21, -1.5e300, 9007199254740991])
    if (kind < 5) return text()
    if (kind === 5) return Array.from({ length: below(4) }, () => value(depth - 1))
    return record(depth - 1)
  }
  const record = (depth: number): { readonly [key: string]: Json } =>
    Object.fromEntries(Array.from({ length: below(4) }, (_, i) => [key(i), value(depth)]))
  const calls = Array.from({ length: 1 + below(3) }, (_, i): ToolCall => {
    const id = writer.ids && below(4) > 0 ? { id: String(below(10 ** 9)).padStart(9, "a") } : {}
    return { ...id, name: `${oneOf(["get_weather", "shop.search", "set-timer"])}${i}`, arguments: record(2) }
  })
  const tools = calls.map(({ name, arguments: given }): Tool => {
    const properties = Object.entries(given).map(([key, value]) => [
      key,
      { type: typeof value === "string" ? "string" : oneOf(["object", "number"]) }
    ])
    const parameters = { type: "object", properties: Object.fromEntries(properties) }
    return { type: "function", function: { name, parameters } }
  })
  return { calls, tools }
}
