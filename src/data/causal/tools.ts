/**
 * Parses the tools of a row and the calls in its messages, in the forms that datasets use. Arguments that are JSON text are
 * parsed once: chat templates expect an object, and would write a text as a nested string.
 *
 *   OpenAI          tools: [{ type: "function", function: { name, description, parameters } }]
 *                   tool_calls: [{ id, type: "function", function: { name, arguments: "{\"city\": \"SF\"}" } }]
 *   Hugging Face    the same, arguments as an object
 *   older, ShareGPT tools: [{ name, description, parameters }], also as JSON text; function_call: { name, arguments }
 */
import { closest } from "../../../schemas/index.ts"
import { parseBoundedJson } from "../../files/index.ts"
import { type Broken, excerpt, isBroken, isFields, kindOf } from "../columns.ts"
import type { Conversation, JsonFields, Message, Tool, ToolCall } from "./row.ts"

/** Parses values with one reader, or returns the problems of all. */
const readAll = <A extends object>(
  list: ReadonlyArray<unknown>,
  read: (value: unknown, i: number) => A | Broken
): ReadonlyArray<A> | Broken => {
  const all = list.map(read)
  const problems = all.flatMap((result) => (isBroken(result) ? [result.broken] : []))
  return problems.length > 0 ? { broken: problems.join("; ") } : (all as ReadonlyArray<A>)
}

/** Parses a JSON text; returns other values unchanged. */
const parsed = (value: unknown, where: string): { readonly value: unknown } | Broken => {
  if (typeof value !== "string") return { value }
  const json = parseBoundedJson(value)
  return "value" in json ? json : { broken: `${where} ${json.problem}: ${excerpt(value)}` }
}

/** Parses tools from a column; none if it is absent, null or empty. */
export const toolsIn = (column: unknown, name: string): ReadonlyArray<Tool> | Broken => {
  if (column === undefined || column === null || column === "") return []
  const list = parsed(column, `"${name}"`)
  if (isBroken(list)) return list
  if (!Array.isArray(list.value)) return { broken: `"${name}" is ${kindOf(list.value)}, expected a list of tools` }
  const tools = readAll(list.value, (value, i) => toolIn(value, `"${name}"[${i}]`))
  if (isBroken(tools)) return tools
  const names = tools.map((tool) => tool.function.name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  return twice === undefined ? tools : { broken: `"${name}" has the tool "${twice}" twice` }
}

const toolIn = (value: unknown, where: string): Tool | Broken => {
  if (!isFields(value)) return { broken: `${where} is ${kindOf(value)}, expected { type: function, function }` }
  const { function: inner, type } = value
  // a bare function, as in older datasets
  if (inner === undefined && typeof value["name"] === "string")
    return toolIn({ type: "function", function: value }, where)
  if (type !== undefined && type !== "function")
    return { broken: `${where}.type is ${excerpt(JSON.stringify(type))}, expected "function"` }
  if (!isFields(inner) || typeof inner["name"] !== "string" || inner["name"] === "") {
    return { broken: `${where}.function has no name` }
  }
  const { parameters } = inner
  if (parameters !== undefined && parameters !== null && !isFields(parameters)) {
    return { broken: `${where}.function.parameters is ${kindOf(parameters)}, expected a JSON Schema of an object` }
  }
  const properties = isFields(parameters) && isFields(parameters["properties"]) ? parameters["properties"] : {}
  const hole = Object.keys(properties).find((name) => properties[name] === null)
  if (hole !== undefined) return { broken: `${where}.function.parameters.properties.${hole} is null; ${asText}` }
  return { ...value, type: "function", function: inner as Tool["function"] }
}

/** Parquet and Arrow give all structs of a column the same fields. */
const asText = "tables add null where rows have different keys: store the column as JSON text"

/** Parses a list of calls in OpenAI's or Hugging Face's form. */
export const callsIn = (list: unknown, where: string): ReadonlyArray<ToolCall> | Broken => {
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) return { broken: `${where} is ${kindOf(list)}, expected a list of calls` }
  return readAll(list, (value, i) => {
    if (!isFields(value)) return { broken: `${where}[${i}] is ${kindOf(value)}, expected { id, type, function }` }
    const { function: inner, id } = value
    const call = inner === undefined ? callIn(value, `${where}[${i}]`) : callIn(inner, `${where}[${i}].function`)
    return isBroken(call) || typeof id !== "string" || id === "" ? call : { id, ...call }
  })
}

/** Parses a call `{ name, arguments }`. */
export const callIn = (value: unknown, where: string): ToolCall | Broken => {
  if (!isFields(value) || typeof value["name"] !== "string" || value["name"] === "") {
    return { broken: `${where} has no name` }
  }
  const { name, arguments: toolArguments } = value
  if (toolArguments === undefined || toolArguments === null || toolArguments === "") return { name, arguments: {} }
  const json = parsed(toolArguments, `${where}.arguments`)
  if (isBroken(json)) return json
  if (!isFields(json.value)) return { broken: `${where}.arguments is ${kindOf(json.value)}, expected a JSON object` }
  const inexact = inexactNumber(json.value)
  if (inexact === undefined) return { name, arguments: json.value }
  return { broken: `${where}.arguments has the number ${inexact}, which loses digits; write it as a string` }
}

/** Finds an integer beyond 2⁵³, which a JavaScript number cannot represent exactly. */
const inexactNumber = (value: unknown): number | undefined => {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value) ? value : undefined
  if (typeof value !== "object" || value === null) return undefined
  for (const inner of Object.values(value)) {
    const inexact = inexactNumber(inner)
    if (inexact !== undefined) return inexact
  }
  return undefined
}

/** Returns the problems of a conversation's calls and results, each with its message, or undefined. */
export const callProblems = ({ messages, tools = [] }: Conversation, parallel: unknown): Broken | undefined => {
  const declared = new Map(tools.map((tool) => [tool.function.name, tool]))
  const structured = messages.some(({ calls = [] }) => calls.length > 0)
  const waiting: Array<ToolCall> = []
  const problems: Array<string> = []
  for (const [i, message] of messages.entries()) {
    const wrong = (problem: string) => problems.push(`message ${i + 1}: ${problem}`)
    const { calls = [] } = message
    if (parallel === false && calls.length > 1) wrong(`has ${calls.length} calls, and parallel_tool_calls is false`)
    for (const call of calls) {
      waiting.push(call)
      if (declared.size > 0) for (const problem of undeclared(call, declared)) wrong(problem)
    }
    if (message.role !== "tool") continue
    // calls may be written within texts, as in variants of ShareGPT
    const inText = !structured && messages.slice(0, i).some(({ role }) => role === "assistant")
    const at = waiting.findIndex((call) => answers(message, call))
    if (at >= 0) waiting.splice(at, 1)
    else if (message.call !== undefined) wrong(`tool_call_id "${message.call}" does not match an earlier call`)
    else if (!inText) wrong("is a tool's result without an earlier call")
  }
  return problems.length > 0 ? { broken: problems.join("; ") } : undefined
}

/** Checks whether a message is the result of a call: by id if both have one, else by the tool's name, else by order. */
const answers = ({ call: id, name }: Message, call: ToolCall): boolean =>
  id !== undefined && call.id !== undefined ? id === call.id : name === undefined || name === call.name

const undeclared = (call: ToolCall, declared: ReadonlyMap<string, Tool>): ReadonlyArray<string> => {
  const tool = declared.get(call.name)
  if (tool === undefined) {
    const near = closest(call.name, [...declared.keys()])
    const hint = near === undefined ? "" : `; did you mean "${near}"?`
    return [`calls "${call.name}", which is not among the row's tools (${[...declared.keys()].join(", ")}${hint})`]
  }
  const properties = tool.function.parameters?.["properties"]
  if (!isFields(properties)) return []
  const holes = Object.keys(call.arguments).filter((name) => call.arguments[name] === null && !(name in properties))
  return holes.map((name) => `argument "${name}" of "${call.name}" is null and not a parameter; ${asText}`)
}

/** Returns the fields of a call as chat templates expect them. */
export const templateCall = ({ id, name, arguments: callArguments }: ToolCall): JsonFields => ({
  ...(id === undefined ? {} : { id }),
  type: "function",
  function: { name, arguments: callArguments }
})
