/** What `validate` and `train` say of a plan for a language model, whatever its rows are. */
import type { CausalSplitDescription } from "../../data/causal/index.ts"
import { percent } from "../../training/index.ts"
import type { DescribedCausal } from "./resolve.ts"

export const languageWords = {
  model: ({ family, layers, hiddenSize, vocabularySize }: DescribedCausal) =>
    `${family} (${layers} layers, ${hiddenSize} wide, a vocabulary of ${vocabularySize.toLocaleString("en")})`,
  modelName: ({ family }: DescribedCausal) => family,
  untrained: () => "the model as it was",
  lines: () => ({}),
  json: ({ model: { family, source, tied, unusedTensors } }: { readonly model: DescribedCausal }) => ({
    model: { family, source, tied, unusedTensors }
  })
}

/** How long the rows of a split are, and how much of them is learned. */
export const rowsText = ({ truncated, learned, tokens: { p50, p95, max } }: CausalSplitDescription): string => {
  const cut = truncated > 0 ? `; ${percent(truncated)} are longer` : ""
  return `${p50} tokens (median), ${p95} (95 %), ${max} (longest)${cut}; ${percent(learned)} of the tokens are learned`
}
