/** How many tokens texts are, for models that read tokens. */
import type { Adapted } from "../../adapters/index.ts"
import type { Network, Tokenizer } from "../models/index.ts"

const tokenizerOf = ({ model }: Adapted<Network>): Pick<Tokenizer, "encode"> | undefined =>
  "tokenizer" in model && typeof model.tokenizer === "object"
    ? (model.tokenizer as Pick<Tokenizer, "encode">)
    : undefined

/** Tokens of texts as an encoder reads them, each up to `longest`; 0 where the model reads none. */
export const tokensOf = (adapted: Adapted<Network>, texts: ReadonlyArray<string>, longest: number): number => {
  const tokenizer = tokenizerOf(adapted)
  if (tokenizer === undefined) return 0
  return texts.reduce((sum, text) => sum + tokenizer.encode(text, longest).ids.length, 0)
}
