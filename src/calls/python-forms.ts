/** Forms with calls in Python syntax: `name(key=value, …)`. */
import type { ToolCall } from "../data/causal/index.ts"
import { callGrammar, pythonCall } from "./grammars.ts"
import { type Input, noCall, peek, type Reading, skipSpace, take, takeIf, takeItems, takeName } from "./input.ts"
import { block, callForm } from "./reader.ts"
import { python, takeValue } from "./values.ts"

const takeCall = function* (input: Input): Reading<ToolCall> {
  if (/[-.\d]/.test(yield* peek(input))) throw noCall
  const name = yield* takeName(input)
  yield* take(input, "(")
  const entries = yield* takeItems(input, ")", function* (): Reading<readonly [string, unknown]> {
    const key = yield* takeName(input, /[=()[\]{}"']/)
    yield* take(input, "=")
    yield* skipSpace(input)
    return [key, yield* takeValue(input, python)]
  })
  return { name, arguments: Object.fromEntries(entries) }
}

/** Parses the rest of a list, after its bracket. */
const takeCalls = function* (input: Input): Reading<ReadonlyArray<ToolCall>> {
  const calls = yield* takeItems(input, "]", () => takeCall(input))
  if (calls.length === 0) throw noCall
  return calls
}

const takeList = function* (input: Input): Reading<ReadonlyArray<ToolCall>> {
  yield* take(input, "[")
  return yield* takeCalls(input)
}

/** Llama 3.2 and 4: `[f(a=1), g()]`, preceded only by Llama 4's marks. */
export const pythonic = callForm(
  callGrammar(pythonCall, ["[", ", ", "]"]),
  block("[", takeCalls, "", true),
  block("<|python_start|>", takeList, "<|python_end|>")
)

/** LFM2: the list between dedicated marks. */
export const lfm2 = callForm(
  callGrammar(pythonCall, ["<|tool_call_start|>[", ", ", "]<|tool_call_end|>"]),
  block("<|tool_call_start|>", takeList, "<|tool_call_end|>")
)

/** Gemma 3: a code block named `tool_code`, with a list or one or more calls. */
export const toolCode = callForm(
  callGrammar(pythonCall, ["```tool_code\n", "\n", "\n```"]),
  block("```tool_code", function* (input) {
    const calls: Array<ToolCall> = []
    while (calls.length === 0 || !(yield* takeIf(input, "```"))) {
      if (yield* takeIf(input, "[")) calls.push(...(yield* takeCalls(input)))
      else calls.push(yield* takeCall(input))
      yield* skipSpace(input)
    }
    return calls
  })
)
