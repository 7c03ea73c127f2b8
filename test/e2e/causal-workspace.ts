/**
 * What an end-to-end test of causal language models starts from: a workspace with a golden decoder, a tokenizer of whole words for it,
 * and rows about things and their colours, as conversations, as prompts with completions, and as texts.
 */
import { cpSync } from "node:fs"
import { join } from "node:path"
import { jsonLines, type Plan, repository, type Workspace } from "./fixtures.ts"

export type TinyDecoder = "llama" | "llama-tied" | "gpt2" | "qwen2" | "gemma3"

const special = ["<pad>", "<s>", "</s>", "<unk>", "<user>", "<assistant>", "<system>"]

/** What each thing is like. */
const colours = {
  grass: "green",
  snow: "white",
  coal: "black",
  blood: "red",
  milk: "white",
  sky: "blue",
  sun: "yellow",
  rose: "red"
} as const
const things = Object.keys(colours) as ReadonlyArray<keyof typeof colours>

const words = [
  ..."what colour is the of ? . it says so very be brief and answer a question".split(" "),
  ...things,
  ...new Set(Object.values(colours))
]

/** A tokenizer.json of whole words: what is no word of the above is <unk>. */
export const wordTokenizer = () => {
  const vocabulary = Object.fromEntries([...new Set([...special, ...words])].map((word, id) => [word, id]))
  const bos = { SpecialToken: { id: "<s>", type_id: 0 } }
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
      single: [bos, { Sequence: { id: "A", type_id: 0 } }],
      pair: [bos, { Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
      special_tokens: { "<s>": { id: "<s>", ids: [vocabulary["<s>"]], tokens: ["<s>"] } }
    },
    decoder: null,
    model: { type: "WordLevel", vocab: vocabulary, unk_token: "<unk>" }
  }
}

export const tokenizerConfig = {
  tokenizer_class: "PreTrainedTokenizerFast",
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  pad_token: "<pad>",
  clean_up_tokenization_spaces: false,
  chat_template:
    "{{ bos_token }}{% for message in messages %}<{{ message.role }}> {{ message.content }} {{ eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
}

const golden = join(repository, "test", "golden", "models")

/** Copies a golden decoder and gives it the tokenizer. */
export const decoder = (w: Workspace, name: TinyDecoder, folder: string = name): string => {
  for (const file of ["config.json", "model.safetensors"]) cpSync(join(golden, name, file), w.path(join(folder, file)))
  w.write(join(folder, "tokenizer.json"), wordTokenizer())
  w.write(join(folder, "tokenizer_config.json"), tokenizerConfig)
  return folder
}

/** Question and answer about the i-th thing; lengths differ, and with them the numbers of tokens that are learned. */
const asked = (i: number) => {
  const thing = things[i % things.length]!
  const question = i % 3 === 0 ? `what colour is the ${thing} ?` : `what is the colour of the ${thing} ?`
  const answers = [
    `${colours[thing]} .`,
    `the ${thing} is ${colours[thing]} .`,
    `it is ${"very ".repeat(i % 4)}${colours[thing]}`
  ]
  return { question, answer: answers[i % 3]! }
}

const range = (count: number, offset = 0) => Array.from({ length: count }, (_, i) => asked(i + offset))

/** Rows of a conversation each, every second one with a system message, every third of two turns. */
export const chats = (count: number, offset = 0) =>
  range(count, offset).map(({ question, answer }, i) => ({
    messages: [
      ...(i % 2 === 0 ? [] : [{ role: "system", content: "be brief ." }]),
      { role: "user", content: question },
      { role: "assistant", content: answer },
      ...(i % 3 === 0
        ? [
            { role: "user", content: "what is it ?" },
            { role: "assistant", content: answer }
          ]
        : [])
    ]
  }))

export const completions = (count: number, offset = 0) =>
  range(count, offset).map(({ question, answer }) => ({ prompt: question, completion: ` ${answer}` }))

/** The texts' rows are longer than what a plan cuts at. */
export const texts = (count: number, offset = 0) =>
  range(count, offset).map(({ question, answer }, i) => ({ text: `${question} ${`${answer} `.repeat(1 + (i % 4))}` }))

/** Pairs: what a thing is like, and what it is not. */
export const preferences = (count: number, offset = 0) =>
  range(count, offset).map(({ question, answer }, i) => {
    const prompt = [
      ...(i % 2 === 0 ? [] : [{ role: "system", content: "be brief ." }]),
      { role: "user", content: question }
    ]
    const wrong = answer.replace(/green|white|black|red|blue|yellow/, (colour) => (colour === "red" ? "blue" : "red"))
    const said = (content: string) => [...prompt, { role: "assistant", content }]
    return { chosen: said(answer), rejected: said(wrong) }
  })

/** A plan of a few small steps over such rows, as causalPlan; `sections` replace whole sections. */
export const preferencePlan = (source: string, sections: Record<string, unknown> = {}): Plan => ({
  ...causalPlan(source, "chat"),
  data: {
    format: "preference",
    train: "preference-train.jsonl",
    validation: "preference-validation.jsonl",
    test: "preference-test.jsonl",
    maxLength: MAX_LENGTH
  },
  optimizer: { kind: "lora-pro", learningRate: 2e-3 },
  ...sections
})

/** Writes train, validation and test rows of pairs. */
export const writePreferences = (w: Workspace): void => {
  w.write("preference-train.jsonl", jsonLines(preferences(24)))
  w.write("preference-validation.jsonl", jsonLines(preferences(7, 3)))
  w.write("preference-test.jsonl", jsonLines(preferences(9, 5)))
}

export const formats = { chat: chats, completion: completions, text: texts } as const

/** Tokens that a row has at most. */
const MAX_LENGTH = 24

/** Writes train, validation and test rows of every format. */
export const writeRows = (w: Workspace): void => {
  for (const [format, rows] of Object.entries(formats)) {
    w.write(`${format}-train.jsonl`, jsonLines(rows(24)))
    w.write(`${format}-validation.jsonl`, jsonLines(rows(7, 3)))
    w.write(`${format}-test.jsonl`, jsonLines(rows(9, 5)))
  }
}

export const causalData = (format: keyof typeof formats, more: Record<string, unknown> = {}) => ({
  format,
  train: `${format}-train.jsonl`,
  validation: `${format}-validation.jsonl`,
  test: `${format}-test.jsonl`,
  maxLength: MAX_LENGTH,
  ...more
})

/** A plan of a few small steps; `sections` replace whole sections. */
export const causalPlan = (
  source: string,
  format: keyof typeof formats,
  sections: Record<string, unknown> = {}
): Plan => ({
  seed: 1,
  model: { source },
  data: causalData(format),
  adapter: { method: "lora", rank: 4, alpha: 8 },
  optimizer: { kind: "lora-pro", learningRate: 5e-3 },
  training: { steps: 12, batchSize: 4 },
  ...sections
})
