/** The names of these families alone, for models of other kinds to say what such a model is. */
export const seq2seqFamilyNames = ["t5", "mt5", "umt5"] as const

/** The end of a sentence about a `model_type` that is not supported. */
export const readsAndWrites = (type: unknown): string =>
  seq2seqFamilyNames.some((name) => name === type)
    ? '; this one reads a text and writes another: data.format "seq2seq"'
    : ""
