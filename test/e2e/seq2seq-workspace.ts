/**
 * What an end-to-end test of models that read one text and write another starts from: a workspace with a golden T5, a tokenizer of whole
 * words for it, and rows of sentences with what is to be written for them.
 */
import { cpSync } from "node:fs"
import { join } from "node:path"
import { jsonLines, type Plan, repository, tinyRows, type Workspace } from "./fixtures.ts"

// T5's own: padding is 0, which every target begins after, and the end is 1
const special = ["<pad>", "</s>", "<unk>"]

const words = [...new Set(tinyRows(60).flatMap(({ text, label }) => [...text.split(" "), label])), "tone", ":"]

/** A tokenizer.json of whole words: what is no word of the above is <unk>. */
const wordTokenizer = () => {
  const vocabulary = Object.fromEntries([...special, ...words].map((word, id) => [word, id]))
  const end = { SpecialToken: { id: "</s>", type_id: 0 } }
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true
    })),
    normalizer: null,
    pre_tokenizer: { type: "Whitespace" },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A", type_id: 0 } }, end],
      pair: [{ Sequence: { id: "A", type_id: 0 } }, end, { Sequence: { id: "B", type_id: 1 } }, end],
      special_tokens: { "</s>": { id: "</s>", ids: [vocabulary["</s>"]], tokens: ["</s>"] } }
    },
    decoder: null,
    model: { type: "WordLevel", vocab: vocabulary, unk_token: "<unk>" }
  }
}

/** Copies the golden model and gives it the tokenizer. */
export const t5 = (w: Workspace, name: "t5" | "t5-v1_1" = "t5", folder: string = name): string => {
  for (const file of ["config.json", "model.safetensors"])
    cpSync(join(repository, "test", "golden", "models", name, file), w.path(join(folder, file)))
  w.write(join(folder, "tokenizer.json"), wordTokenizer())
  w.write(join(folder, "tokenizer_config.json"), {
    tokenizer_class: "PreTrainedTokenizerFast",
    eos_token: "</s>",
    unk_token: "<unk>",
    pad_token: "<pad>",
    clean_up_tokenization_spaces: false
  })
  return folder
}

/** Sentences with their labels, which are written out: a closed set. */
export const labelledRows = (count: number, offset = 0) =>
  tinyRows(count, offset).map(({ text, label }) => ({ source: text, target: label }))

/** Writes train, validation and test rows. */
export const writeSourceTargets = (w: Workspace): void => {
  w.write("pairs-train.jsonl", jsonLines(labelledRows(48)))
  w.write("pairs-validation.jsonl", jsonLines(labelledRows(6, 48)))
  w.write("pairs-test.jsonl", jsonLines(labelledRows(9, 54)))
}

export const seq2seqData = (more: Record<string, unknown> = {}) => ({
  format: "seq2seq",
  train: "pairs-train.jsonl",
  validation: "pairs-validation.jsonl",
  test: "pairs-test.jsonl",
  prefix: "tone : ",
  maxLength: 24,
  maxTargetLength: 8,
  ...more
})

/** A plan of a few small steps; `sections` replace whole sections. */
export const seq2seqPlan = (source: string, sections: Record<string, unknown> = {}): Plan => ({
  seed: 1,
  model: { source },
  data: seq2seqData(),
  adapter: { method: "lora", rank: 8, alpha: 16 },
  optimizer: { kind: "adamw", learningRate: 1e-2 },
  training: { steps: 60, batchSize: 8, evaluateEvery: 60 },
  ...sections
})
