/** The tokenizer of SmolLM2 as data needs it, and the goldens made with transformers. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Tokenizer } from "@huggingface/tokenizers"
import type { Message } from "../../../../src/data/causal/row.ts"
import { tokenBytes } from "../../../../src/models/causal/token-bytes.ts"
import type { CausalTokenizer } from "../../../../src/tensors/rows.ts"

const folder = join(import.meta.dirname, "../../../golden/tokenizers/smollm2")
const read = (name: string): string => readFileSync(join(folder, name), "utf8")

const json = JSON.parse(read("tokenizer.json"))
const config = JSON.parse(read("tokenizer_config.json")) as { readonly [key: string]: unknown }
const library = new Tokenizer(json, config)
const addedTokens = json.added_tokens as ReadonlyArray<{
  readonly id: number
  readonly content: string
  readonly special: boolean
}>
const specialIds = new Set(addedTokens.flatMap(({ id, special }) => (special ? [id] : [])))

export const smollm2: CausalTokenizer = {
  encode: (text, { special = false } = {}) => library.encode(text, { add_special_tokens: special }).ids,
  decode: (ids, { special = false } = {}) => library.decode([...ids], { skip_special_tokens: !special }),
  bosId: 1,
  eosId: 2,
  padId: 2,
  vocabularySize: 49_152,
  specialIds,
  bytesOf: tokenBytes(json, library, new Map(addedTokens.map(({ id, content }) => [id, content])), specialIds),
  chatTemplate: String(config["chat_template"]),
  specialTokens: { bos_token: "<|im_start|>", eos_token: "<|im_end|>", pad_token: "<|im_end|>" }
}

/** The same template with transformers' generation tags. */
export const markedTemplate = read("chat_template_generation.jinja")

export interface GoldenChat {
  readonly messages: ReadonlyArray<Message>
  readonly text: string
  readonly ids: ReadonlyArray<number>
  readonly text_with_generation_prompt: string
  readonly assistant_mask: ReadonlyArray<number>
}

export const goldenChats = (JSON.parse(read("goldens.json")) as { readonly chats: ReadonlyArray<GoldenChat> }).chats

export interface TemplateInUse {
  readonly name: string
  readonly template: string
  readonly specialTokens: Readonly<Record<string, string>>
  readonly special: ReadonlyArray<string>
  readonly messages: ReadonlyArray<Message>
  /** what transformers makes of the messages, and of the first with a generation prompt */
  readonly text: string
  readonly prompt: string
  /** what the assistant says, by hand */
  readonly turns: ReadonlyArray<string>
}

/** Chat templates of other models. */
export const templatesInUse = JSON.parse(
  readFileSync(join(folder, "../chat_templates.json"), "utf8")
) as ReadonlyArray<TemplateInUse>
