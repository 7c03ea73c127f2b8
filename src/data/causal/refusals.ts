/**
 * Which conversations cannot be written, found for every row of a file without writing every one (which takes 80 µs and more).
 * A template looks at who speaks when, at what a message has, and at words that it names itself ("</think>"): one conversation
 * of every such shape is written out.
 */
import type { Broken } from "../labelled-fields.ts"
import { isBrokenValue } from "./fields.ts"
import type { CausalContent, Message } from "./row.ts"

type Conversation = Extract<CausalContent, { readonly kind: "chat" }>

/** Tells why a conversation cannot be written, or nothing. `source` is the template's, `write` uses it. */
export const refusals = (
  source: string,
  write: (content: Conversation) => object | Broken
): ((content: Conversation) => Broken | undefined) => {
  const words = namedWords(source)
  const known = new Map<string, Broken | undefined>()
  return (content) => {
    const shape = content.messages.map((message) => shapeOf(message, words)).join(" ")
    if (!known.has(shape)) {
      const written = write(content)
      known.set(shape, isBrokenValue(written) ? written : undefined)
    }
    return known.get(shape)
  }
}

const shapeOf = (message: Message, words: ReadonlyArray<string>): string => {
  const { role, content } = message
  const named = words.flatMap((word, i) => (content?.includes(word) ? [i] : []))
  return `${role}:${content === null ? "-" : content.trim() === "" ? "blank" : named.join()}:${Object.keys(message).join()}`
}

/** The texts between quotes that are no names of roles or fields, line by line. */
const namedWords = (source: string): ReadonlyArray<string> => {
  const quoted = [...source.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)].map(
    ([, one, two]) => one ?? two ?? ""
  )
  const words = quoted.flatMap((text) => text.split(/\\n|\n/)).map((word) => word.trim())
  return [...new Set(words)].filter((word) => word.length > 2 && /[^\w\s]/.test(word))
}
