/** What the rows of a section say: its columns read, each problem a sentence. */
import type { CausalData } from "../../../schemas/causal-data.ts"
import type { Broken } from "../labelled-fields.ts"
import { conversationOf } from "./conversation.ts"
import { isBrokenValue, isFields, kindOf, stringField } from "./fields.ts"
import type { CausalContent } from "./row.ts"

/** The content of a row, whatever its value is. */
export const contentOf = (value: unknown, section: CausalData): CausalContent | Broken => {
  if (!isFields(value)) return { broken: `found ${kindOf(value)}, expected one object a line` }
  switch (section.format) {
    case "chat": {
      const conversation = conversationOf(value, section)
      return isBrokenValue(conversation) ? conversation : { kind: "chat", ...conversation }
    }
    case "completion": {
      const prompt = stringField(value, section.prompt, { blank: true })
      const completion = stringField(value, section.completion, { blank: false })
      if (!isBrokenValue(prompt) && !isBrokenValue(completion)) return { kind: "completion", prompt, completion }
      return { broken: [prompt, completion].flatMap((one) => (isBrokenValue(one) ? [one.broken] : [])).join("; ") }
    }
    case "text": {
      const text = stringField(value, section.text, { blank: false })
      return isBrokenValue(text) ? text : { kind: "text", text }
    }
  }
}

/** The texts of a content, as their author wrote them. */
export const textsOf = (content: CausalContent): ReadonlyArray<string> => {
  if (content.kind === "chat") return content.messages.map((message) => message.content ?? "")
  return content.kind === "completion" ? [content.prompt, content.completion] : [content.text]
}
