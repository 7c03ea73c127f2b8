/** A GGUF file's vocabulary, and the parts of tokenizer.json that do not depend on its kind. */
import type { Metadata } from "./parse-header.ts"

/** Vocabulary of a GGUF file. */
export interface Vocabulary {
  /** tokens by id; types and scores (SentencePiece only) are by id too */
  readonly tokens: ReadonlyArray<string>
  readonly types: ReadonlyArray<number>
  readonly scores: ReadonlyArray<number>
  readonly bosId: number | null
  readonly eosId: number | null
  readonly unkId: number | null
  readonly padId: number | null
}

/** Token types by llama.cpp's numbers. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, byte: 6 } as const

/**
 * Returns the added tokens. Control tokens are special; tokens that users defined are matched whole, and are ordinary text otherwise. Some files
 * mark the rows after the vocabulary as unknown too: only the unknown token itself is added. `rstrip`: returns whether a token consumes the white
 * space after it.
 */
export const addedTokens = ({ tokens, types, unkId }: Vocabulary, rstrip: (token: string) => boolean = () => false) =>
  tokens.flatMap((content, id) => {
    const type = types[id]
    const special = type === tokenTypes.control || (type === tokenTypes.unknown && (unkId === null || unkId === id))
    if (!special && type !== tokenTypes.userDefined) return []
    return [{ id, content, single_word: false, lstrip: false, rstrip: rstrip(content), normalized: false, special }]
  })

/** Returns the template that adds tokens around every text; null: none. */
export const aroundTexts = ({ tokens, bosId, eosId }: Vocabulary, addBos: boolean, addEos: boolean) => {
  const special = (id: number) => ({ SpecialToken: { id: tokens[id]!, type_id: 0 } })
  const before = addBos && bosId !== null ? [bosId] : []
  const after = addEos && eosId !== null ? [eosId] : []
  const used = [...new Set([...before, ...after])]
  if (used.length === 0) return null
  const text = (name: string) => [...before.map(special), { Sequence: { id: name, type_id: 0 } }, ...after.map(special)]
  return {
    type: "TemplateProcessing",
    single: text("A"),
    pair: [...text("A"), ...text("B")],
    special_tokens: Object.fromEntries(
      used.map((id) => [tokens[id]!, { id: tokens[id]!, ids: [id], tokens: [tokens[id]!] }])
    )
  }
}

/** Tokens that a tokenizer adds around every text. */
export interface Around {
  readonly addBos: boolean
  readonly addEos: boolean
  readonly addPrefixSpace: boolean
}

/** Returns tokenizer_config.json: the names of the special tokens and the chat template. */
export const tokenizerConfigOf = (
  { tokens, bosId, eosId, unkId, padId }: Vocabulary,
  metadata: Metadata,
  { addBos, addEos, addPrefixSpace }: Around
) => {
  const named = (name: string, id: number | null) => (id === null ? {} : { [name]: tokens[id]! })
  const template = metadata.get("tokenizer.chat_template")
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    ...named("bos_token", bosId),
    ...named("eos_token", eosId),
    ...named("unk_token", unkId),
    ...named("pad_token", padId),
    add_bos_token: addBos,
    add_eos_token: addEos,
    add_prefix_space: addPrefixSpace,
    clean_up_tokenization_spaces: false,
    ...(typeof template === "string" ? { chat_template: template } : {})
  }
}
