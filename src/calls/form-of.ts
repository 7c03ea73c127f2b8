/** Finds the form in which a chat template writes calls, by having it write one. */
import type { ChatTemplate, Message, Tool, ToolCall } from "../data/causal/index.ts"
import type { CallForm } from "./call-form.ts"
import { type CallFormName, callForms } from "./forms.ts"

/** A form and its name. */
export interface NamedCallForm {
  /** in the table `callForms` */
  readonly name: CallFormName
  /** its entry */
  readonly form: CallForm
}

// Mistral's templates take no other ids than those of 9 letters and digits
const probe: ToolCall = { id: "probe0001", name: "probe_tool", arguments: { probe_key: "probe value" } }
const question = { role: "user", content: "A question that is asked" }
const parameters = { type: "object", properties: { probe_key: { type: "string", description: "A text" } } }
const tools: ReadonlyArray<Tool> = [
  { type: "function", function: { name: probe.name, description: "A tool", parameters } }
]

/** Returns the form in which a template writes calls; null where it writes none, or in a form that is not in the table. */
export const callFormOf = (template: ChatTemplate): NamedCallForm | null => {
  const known = found.get(template)
  if (known !== undefined) return known
  const form = formOf(template)
  found.set(template, form)
  return form
}

/** A server asks for each request, and a probe takes a millisecond and more. */
const found = new WeakMap<ChatTemplate, NamedCallForm | null>()

const formOf = (template: ChatTemplate): NamedCallForm | null => {
  // some templates reject a message without content, others write no calls with one
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

/** What the template writes for a turn of the assistant; empty where it rejects the conversation. */
const turnOf = (template: ChatTemplate, answer: Message): string => {
  const prompt = template.render({ messages: [question], tools }, { prompt: true })
  const whole = template.render({ messages: [question, answer], tools })
  if (!("text" in prompt && "text" in whole)) return ""
  // a prompt may end with what this turn does not begin with, such as a thought
  const start = whole.text.startsWith(prompt.text)
    ? prompt.text.length
    : whole.text.lastIndexOf(question.content) + question.content.length
  return whole.text.slice(start)
}
