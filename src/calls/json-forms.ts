/** Forms with calls as JSON: `{"name": …, "arguments": …}`, or a name followed by the arguments. */
import type { Grammar } from "../constraint/index.ts"
import type { JsonFields, ToolCall } from "../data/causal/index.ts"
import { callGrammar, jsonCall, jsonStyle, sequence, text } from "./grammars.ts"
import { type Input, noCall, type Reading, skipSpace, take, takeIf, takeItems, takeName } from "./input.ts"
import { block, callForm } from "./reader.ts"
import { json, takeFields } from "./values.ts"

/** Parses the rest of a call that is an object, after its brace. It is not a call if there is any other field. */
const takeRest = function* (input: Input): Reading<ReadonlyArray<ToolCall>> {
  const fields = yield* takeFields(input, json, 0, ["name", "arguments", "parameters", "id", "type"])
  const { name, id, type = "function", arguments: argumentsField = fields["parameters"] } = fields
  const isCall =
    typeof name === "string" &&
    name !== "" &&
    typeof argumentsField === "object" &&
    argumentsField !== null &&
    !Array.isArray(argumentsField) &&
    !("arguments" in fields && "parameters" in fields) &&
    (id === undefined || typeof id === "string") &&
    type === "function"
  if (!isCall) throw noCall
  return [{ ...(id === undefined ? {} : { id }), name, arguments: argumentsField as JsonFields }]
}

const takeObject = function* (input: Input): Reading<ReadonlyArray<ToolCall>> {
  yield* take(input, "{")
  return yield* takeRest(input)
}

const takeList = function* (input: Input): Reading<ReadonlyArray<ToolCall>> {
  yield* take(input, "[")
  const calls = yield* takeItems(input, "]", () => takeObject(input))
  if (calls.length === 0) throw noCall
  return calls.flat()
}

const takeArguments = function* (input: Input): Reading<JsonFields> {
  yield* skipSpace(input)
  yield* take(input, "{")
  return yield* takeFields(input, json)
}

/** Hermes 2 Pro, Qwen 2.5, Qwen 3: `<tool_call>\n{"name": …, "arguments": …}\n</tool_call>`. */
export const hermes = callForm(
  callGrammar(jsonCall("arguments"), ["<tool_call>\n", "\n</tool_call>\n<tool_call>\n", "\n</tool_call>"]),
  block("<tool_call>", takeObject, "</tool_call>")
)

/** Llama 3.1 and 3.2: `{"name": …, "parameters": …}`, preceded only by `<|python_tag|>`; calls are separated by `;` or line breaks. */
export const llamaJson = callForm(
  callGrammar(jsonCall("parameters"), ["", "; ", ""]),
  block("{", takeRest, "", true),
  block(";", takeObject, "", true),
  block("<|python_tag|>", takeObject)
)

const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"].map(text)
const mistralId: Grammar = { kind: "repeat", body: { kind: "choice", options: letters }, between: "", min: 9, max: 9 }

/** Mistral up to tokenizer version 7: `[TOOL_CALLS] [{"name": …, "arguments": …, "id": …}]`. */
export const mistral = callForm(
  callGrammar(jsonCall("arguments", ', "id": "', mistralId, '"'), [
    { kind: "choice", options: [text("[TOOL_CALLS] ["), text("[TOOL_CALLS][")] },
    ", ",
    "]"
  ]),
  block("[TOOL_CALLS]", takeList)
)

/** Mistral since tokenizer version 11: `[TOOL_CALLS]name[CALL_ID]id[ARGS]{…}`, in later versions without an id. */
export const mistralArgs = callForm(
  callGrammar(
    (name, schema) =>
      sequence(
        `[TOOL_CALLS]${name}`,
        { kind: "choice", options: [text("[ARGS]"), sequence("[CALL_ID]", mistralId, "[ARGS]")] },
        { kind: "json", schema, style: jsonStyle }
      ),
    ["", "", ""]
  ),
  block("[TOOL_CALLS]", function* (input) {
    const name = yield* takeName(input)
    const id = (yield* takeIf(input, "[CALL_ID]")) ? { id: yield* takeName(input) } : {}
    yield* takeIf(input, "[ARGS]")
    return [{ ...id, name, arguments: yield* takeArguments(input) }]
  })
)

/** Phi-4-mini: `<|tool_call|>[{"name": …, "arguments": …}]<|/tool_call|>`. */
export const phi = callForm(
  callGrammar(jsonCall("arguments"), ["<|tool_call|>[", ", ", "]<|/tool_call|>"]),
  block("<|tool_call|>", takeList, "<|/tool_call|>")
)

/** Phi-4-mini as its system message describes it: `functools[{"name": …, "arguments": …}]`. */
export const functools = callForm(
  callGrammar(jsonCall("arguments"), ["functools[", ", ", "]"]),
  block("functools", takeList)
)

/** DeepSeek V3: marks around all calls and around each, with its type, its name and its arguments as a code block. */
export const deepseek = callForm(
  callGrammar(
    (name, schema) =>
      sequence(
        `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n`,
        { kind: "json", schema, style: jsonStyle },
        "\n```<｜tool▁call▁end｜>"
      ),
    ["<｜tool▁calls▁begin｜>", "\n", "<｜tool▁calls▁end｜>"]
  ),
  block("<｜tool▁calls▁begin｜>", function* (input) {
    const calls: Array<ToolCall> = []
    while (calls.length === 0 || !(yield* takeIf(input, "<｜tool▁calls▁end｜>"))) {
      yield* take(input, "<｜tool▁call▁begin｜>function<｜tool▁sep｜>")
      const name = yield* takeName(input)
      yield* skipSpace(input)
      yield* take(input, "```json")
      calls.push({ name, arguments: yield* takeArguments(input) })
      yield* skipSpace(input)
      yield* take(input, "```", "<｜tool▁call▁end｜>")
      yield* skipSpace(input)
    }
    return calls
  })
)
