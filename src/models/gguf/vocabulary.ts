/** A GGUF file's vocabulary, and the parts of tokenizer.json that do not depend on its kind. */

export interface Vocabulary {
  /** by id; so are types and scores (SentencePiece only) */
  readonly tokens: ReadonlyArray<string>
  readonly types: ReadonlyArray<number>
  readonly scores: ReadonlyArray<number>
  readonly bosId: number | null
  readonly eosId: number | null
  readonly unkId: number | null
  readonly padId: number | null
}

/** numbers of llama.cpp */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, byte: 6 } as const

/**
 * Control tokens are special; what users defined is kept whole, and is text otherwise. Some files call the rows behind the vocabulary
 * unknown too: only the unknown token itself is one. `rstrip`: whether a token takes the white space behind it.
 */
export const addedTokens = ({ tokens, types, unkId }: Vocabulary, rstrip: (token: string) => boolean = () => false) =>
  tokens.flatMap((content, id) => {
    const type = types[id]
    const special = type === tokenTypes.control || (type === tokenTypes.unknown && (unkId === null || unkId === id))
    if (!special && type !== tokenTypes.userDefined) return []
    return [{ id, content, single_word: false, lstrip: false, rstrip: rstrip(content), normalized: false, special }]
  })

/** What is put around every text; null: nothing. */
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
