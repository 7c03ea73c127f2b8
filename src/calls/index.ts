/**
 * Tool calls in model output: the forms of each model family, parsed whole or in a stream, and grammars that allow only calls.
 *
 * @example
 * import { Effect, Stream } from "effect"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import { toolUse } from "tfjs-lora-pro/calls"
 * import { conversation, generate } from "tfjs-lora-pro/generation"
 * import type { Causal } from "tfjs-lora-pro/models"
 *
 * const light = { type: "function", function: { name: "set_light", parameters: { type: "object" } } } as const
 *
 * const called = (adapted: Adapted<Causal.CausalModel>, text: string) =>
 *   Effect.gen(function* () {
 *     const { tokenizer } = adapted.model
 *     const use = toolUse(tokenizer, [light])
 *     if ("broken" in use) return yield* Effect.fail(use.broken)
 *     const talk = yield* conversation(tokenizer, { tools: use.tools })
 *     const events = generate(adapted, [yield* talk.say("user", text).prompt], { special: true })
 *     const ends = yield* Stream.runCollect(Stream.filter(events, (event) => event.kind === "end"))
 *     return use.read(ends[0]!.text).calls
 *   })
 */
export type { CallBlock, CallForm, CallGrammar, ReadCalls } from "./call-form.ts"
export { callFormOf, type NamedCallForm } from "./form-of.ts"
export { type CallFormName, callForms } from "./forms.ts"
export { type CallEvent, type CallReader, callReader, readWhole } from "./reader.ts"
export { answerMessage, said, waitingCalls } from "./results.ts"
export {
  type CallChoice,
  endsThinking,
  type NoToolUse,
  type ReadAnswer,
  type ThinkingOptions,
  type ToolUse,
  toolUse
} from "./tool-use.ts"
