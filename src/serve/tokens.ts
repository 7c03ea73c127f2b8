/** How many tokens texts are, for models that read tokens. */
import type { Adapted } from "../../adapters/index.ts"
import type { Network, Tokenizer } from "../models/index.ts"
import type { CausalTokenizer } from "../tensors/index.ts"

/** An encoder's tokenizer, or that of a model that writes. */
const tokenizerOf = ({ model }: Adapted<Network>): Tokenizer | CausalTokenizer | undefined =>
  "tokenizer" in model && typeof model.tokenizer === "object"
    ? (model.tokenizer as Tokenizer | CausalTokenizer)
    : undefined

/** Tokens of texts as a model reads them, each up to `longest`; 0 where it reads none. */
export const tokensOf = (adapted: Adapted<Network>, texts: ReadonlyArray<string>, longest: number): number => {
  const tokenizer = tokenizerOf(adapted)
  if (tokenizer === undefined) return 0
  const count = (text: string): number =>
    "decode" in tokenizer
      ? Math.min(longest, tokenizer.encode(text, { special: true }).length)
      : tokenizer.encode(text, longest).ids.length
  return texts.reduce((sum, text) => sum + count(text), 0)
}
