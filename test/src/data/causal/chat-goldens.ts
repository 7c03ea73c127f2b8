/** What transformers writes with the templates that TRL ships (test/golden/make/tool_templates.py), resolved to whole texts. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"

const folder = join(import.meta.dirname, "../../../golden/chat-templates")
const packed = <A>(name: string): A => JSON.parse(gunzipSync(readFileSync(join(folder, name))).toString("utf8"))

type Fields = Readonly<Record<string, unknown>>

export interface GoldenConversation {
  readonly name: string
  readonly what: string
  /** in Hugging Face's form, arguments as objects */
  readonly messages: ReadonlyArray<Fields & { readonly role: string; readonly content: string | null }>
  readonly tools?: ReadonlyArray<Fields>
  /** further values of the template */
  readonly values?: Fields
}

export const goldenConversations: ReadonlyArray<GoldenConversation> = JSON.parse(
  readFileSync(join(folder, "conversations.json"), "utf8")
)

/** What the template raised: `TemplateError: …` from raise_exception, or another exception of Python's. */
export interface Refusal {
  readonly error: string
}
export type Text = string | Refusal

/** An answer of the assistant. */
export interface GoldenTurn {
  /** its place in the conversation */
  readonly message: number
  /** all messages up to it */
  readonly full: Text
  /** the messages before it and a generation prompt; absent: there are no such messages */
  readonly prompt?: Text
}

export interface GoldenText {
  readonly text: Text
  /** what is between generation tags, in UTF-16 code units; absent: the template has none */
  readonly spans?: ReadonlyArray<readonly [start: number, end: number]>
  readonly turns: ReadonlyArray<GoldenTurn>
}

interface StoredTurn {
  readonly message: number
  readonly full: Text | number
  readonly prompt?: Text | number
}
type StoredCase = Omit<GoldenText, "text" | "turns"> & {
  readonly text?: string
  readonly error?: string
  readonly turns: ReadonlyArray<StoredTurn>
}

const stored = packed<{
  readonly specialTokens: Readonly<Record<string, string>>
  readonly expressions: {
    readonly given: Fields
    readonly cases: ReadonlyArray<readonly [template: string, text: Text]>
  }
  readonly templates: Readonly<
    Record<string, { readonly marked: boolean; readonly cases: Readonly<Record<string, StoredCase>> }>
  >
}>("texts.json.gz")

export const { specialTokens: goldenSpecialTokens, expressions: goldenExpressions } = stored

/** Names of the templates, and whether they have generation tags. */
export const goldenTemplates = Object.entries(stored.templates).map(([name, { marked }]) => ({
  name,
  marked,
  source: readFileSync(join(folder, "templates", `${name}.jinja`), "utf8")
}))

const textOf = (text: Text | number, longer: Text): Text =>
  typeof text === "number" ? String(longer).slice(0, text) : text

export const goldenText = (template: string, conversation: string): GoldenText => {
  const { text, error, turns, ...rest } = stored.templates[template]!.cases[conversation]!
  const whole = text ?? { error: error! }
  return {
    ...rest,
    text: whole,
    turns: turns.map(({ message, full: storedFull, prompt }) => {
      const full = textOf(storedFull, whole)
      return { message, full, ...(prompt === undefined ? {} : { prompt: textOf(prompt, full) }) }
    })
  }
}

/** Token ids and the assistant's mask, by the tokenizer of SmolLM2. */
export interface GoldenTokens {
  readonly count: number
  /** of the ids as int32, little endian */
  readonly sha256: string
  readonly first: ReadonlyArray<number>
  readonly last: ReadonlyArray<number>
  /** runs of tokens that are the assistant's */
  readonly mask: ReadonlyArray<readonly [start: number, end: number]>
}

/** By template with generation tags and conversation. */
export const goldenTokens = packed<{
  readonly specialTokens: Readonly<Record<string, string>>
  readonly templates: Readonly<Record<string, Readonly<Record<string, GoldenTokens | Refusal>>>>
}>("tokens.json.gz")

/** A message as `apply_chat_template` gives it to templates. */
export const asTransformers = ({ weight: _, ...message }: Fields): Fields => {
  const fields = Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null))
  const reasoning = fields["reasoning_content"]
  return reasoning === undefined ? fields : { thinking: reasoning, ...fields }
}
