/** Detects the form of a chat template's tool calls by rendering one. */
import type { ChatTemplate, Message, Tool, ToolCall } from "../data/causal/index.ts"
import type { CallForm } from "./call-form.ts"
import { type CallFormName, callForms } from "./forms.ts"

/** A form and its name. */
export interface NamedCallForm {
  /** key in the table `callForms` */
  readonly name: CallFormName
  /** entry of the table */
  readonly form: CallForm
}

// Mistral's templates only accept ids of 9 letters and digits
const probe: ToolCall = { id: "probe0001", name: "probe_tool", arguments: { probe_key: "probe value" } }
const question = { role: "user", content: "A question that is asked" }
const parameters = { type: "object", properties: { probe_key: { type: "string", description: "A text" } } }
const tools: ReadonlyArray<Tool> = [
  { type: "function", function: { name: probe.name, description: "A tool", parameters } }
]

/** Returns the form of a template's tool calls, or null if it does not support them or its form is unknown. */
export const callFormOf = (template: ChatTemplate): NamedCallForm | null => {
  const known = forms.get(template)
  if (known !== undefined) return known
  const form = formOf(template)
  forms.set(template, form)
  return form
}

/** A cache: a server calls this for each request, and detection takes a millisecond or more. */
const forms = new WeakMap<ChatTemplate, NamedCallForm | null>()

const formOf = (template: ChatTemplate): NamedCallForm | null => {
  // some templates reject a message without content, others omit the calls of a message with content
  for (const content of [null, ""]) {
    const turn = turnOf(template, { role: "assistant", content, calls: [probe] })
    for (const [name, form] of Object.entries(callForms) as ReadonlyArray<readonly [CallFormName, CallForm]>) {
      const { calls } = form.parse(turn, tools)
      if (calls.length === 1 && isProbe(calls[0]!)) return { name, form }
    }
  }
  return null
}

const isProbe = (call: ToolCall): boolean =>
  call.name === probe.name && JSON.stringify(call.arguments) === JSON.stringify(probe.arguments)

/** Returns the template's text for an assistant turn; empty if it rejects the conversation. */
const turnOf = (template: ChatTemplate, answer: Message): string => {
  const prompt = template.render({ messages: [question], tools }, { prompt: true })
  const whole = template.render({ messages: [question, answer], tools })
  if (!("text" in prompt && "text" in whole)) return ""
  // a prompt may end with text that this turn does not begin with, such as a thought
  const start = whole.text.startsWith(prompt.text)
    ? prompt.text.length
    : whole.text.lastIndexOf(question.content) + question.content.length
  return whole.text.slice(start)
}
