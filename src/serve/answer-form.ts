/**
 * What an answer may be: text, JSON by a schema, calls of tools. What is required is a constraint over the model's tokens, compiled before a
 * token is written; the last ones of each model are kept, with their masks.
 */
import * as Effect from "effect/Effect"
import { type NoToolUse, type ToolUse, toolUse } from "../calls/index.ts"
import { type Constraint, constraintOf, type Grammar } from "../constraint/index.ts"
import type { Tool } from "../data/causal/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"
import type { ChatBody } from "./chat-body.ts"
import { type Refusal, wrongField } from "./refusal.ts"

/** How an answer is written and read. */
export interface AnswerForm {
  /** null: calls are text, and none are made */
  readonly use: ToolUse | null
  /** null: any text */
  readonly constraint: Constraint | null
}

const isBroken = (use: ToolUse | NoToolUse): use is NoToolUse => "broken" in use

/** The form of the answer that a body asks for, with these tools. */
export const answerForm = (
  tokenizer: CausalTokenizer,
  {
    tools: declared = [],
    tool_choice: choice = "auto",
    parallel_tool_calls: parallel = true,
    response_format: format
  }: ChatBody,
  tools: ReadonlyArray<Tool>
): Effect.Effect<AnswerForm, Refusal> =>
  Effect.gen(function* () {
    const only = typeof choice === "object" ? choice.function.name : undefined
    const required = only !== undefined || choice === "required"
    if (only !== undefined && !tools.some((tool) => tool.function.name === only)) {
      return yield* wrongField("tool_choice", `names "${only}", which is not among tools`)
    }
    if (required && tools.length === 0)
      return yield* wrongField("tool_choice", "requires a call, and there are no tools")
    const use = tools.length === 0 ? null : toolUse(tokenizer, tools)
    if (use !== null && isBroken(use)) return yield* wrongField("tools", use.broken)
    const json = jsonGrammar(format)
    const strict = declared.some((tool) => tool.function.strict === true)
    if (use !== null && (required || json !== null)) {
      const calls = use.grammar?.({ parallel: parallel && only === undefined, ...(only === undefined ? {} : { only }) })
      if (calls === undefined) {
        const form = `the model writes calls in the form "${use.name}", whose values no grammar describes`
        return required
          ? yield* wrongField("tool_choice", `a call cannot be required: ${form}`)
          : yield* wrongField("response_format", `cannot be combined with tools: ${form}; set tool_choice to "none"`)
      }
      const grammar: Grammar = required || json === null ? calls : { kind: "choice", options: [json, calls] }
      return { use, constraint: yield* compiled(tokenizer, grammar, required ? "tools" : "response_format") }
    }
    if (json !== null) return { use, constraint: yield* compiled(tokenizer, json, "response_format") }
    // text is free until a call begins, which is then as its schema says
    const calls = use !== null && (strict || !parallel) ? use.grammar?.({ parallel }) : undefined
    if (calls === undefined) return { use, constraint: null }
    const grammar: Grammar = { kind: "after-text", openings: use!.openings, body: calls }
    return { use, constraint: yield* compiled(tokenizer, grammar, "tools") }
  })

/** A JSON value that a response format asks for; null: any text. */
const jsonGrammar = (format: ChatBody["response_format"]): Grammar | null => {
  if (format === undefined || format.type === "text") return null
  return { kind: "json", schema: format.type === "json_schema" ? format.json_schema.schema : { type: "object" } }
}

/** Constraints of a tokenizer that are kept. */
const MOST = 8

const kept = new WeakMap<CausalTokenizer, Map<string, Constraint>>()

const compiled = (tokenizer: CausalTokenizer, grammar: Grammar, field: string): Effect.Effect<Constraint, Refusal> =>
  Effect.suspend(() => {
    const known = kept.get(tokenizer) ?? new Map<string, Constraint>()
    kept.set(tokenizer, known)
    const key = JSON.stringify(grammar)
    const found = known.get(key) ?? constraintOf(grammar, tokenizer)
    if ("broken" in found) return Effect.fail(wrongField(field, found.broken.join("; ")))
    known.delete(key)
    known.set(key, found)
    if (known.size > MOST) known.delete(known.keys().next().value!)
    return Effect.succeed(found)
  })
