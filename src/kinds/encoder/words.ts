/** How kinds over encoders write a text, or a pair of them, in commands and in code. */
import { shellWord } from "../../boundary/index.ts"
import type { TextColumns } from "../../data/index.ts"

/** A row of the plan as a word of a shell. */
export const exampleArgument = ({ text, textPair }: TextColumns): string =>
  textPair === undefined ? '"your text"' : shellWord(JSON.stringify({ [text]: "your text", [textPair]: "the other" }))

/** The same in TypeScript. */
export const exampleRow = ({ text, textPair }: TextColumns): string =>
  textPair === undefined ? '"a text"' : JSON.stringify({ [text]: "a text", [textPair]: "another" })

/** What a tokenizer in Python is given of one row. */
export const exampleTexts = ({ textPair }: TextColumns, text = "a text"): string =>
  textPair === undefined ? `["${text}"]` : `["${text}"], ["the other"]`

/** What a pipeline for texts is given in Python. */
export const pipelineTexts = ({ textPair }: TextColumns): string =>
  textPair === undefined ? '["your text"]' : '[{"text": "your text", "text_pair": "the other"}]'
