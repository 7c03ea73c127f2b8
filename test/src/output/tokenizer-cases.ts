/**
 * Tokenizers of every family, as bases have them: a tokenizer.json with a tokenizer_config.json that says more, less or otherwise, or with
 * none. Of each, the folder that an export writes, and what the run's own tokenizer makes of texts.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { causalTokenizer } from "../../../src/models/causal/causal-tokenizer.ts"
import { families } from "../../../src/models/families.ts"
import { loadTokenizer } from "../../../src/models/load.ts"
import { copyCompanions, type TokenizerUse } from "../../../src/output/index.ts"
import { goldens, run } from "../models/golden.ts"

type Json = Readonly<Record<string, unknown>>

interface Case {
  readonly name: string
  /** of config.json: transformers chooses a class by it where tokenizer_config.json names none */
  readonly modelType: string
  readonly tokenizer: Json
  /** null: the base has no tokenizer_config.json */
  readonly config: Json | null
  /** what the model needs of it */
  readonly use: TokenizerUse
}

export const texts = [
  "Hello World, it's a CAFÉ in São Paulo",
  "naïve Ångström Straße ŒUVRE déjà-vu",
  "漢字かなカナ and 中文字符",
  "😀👍🏽 family 👩‍👩‍👧 flags 🇩🇪",
  "  two  spaces,\ttab\nline\r\nnbsp\u00a0end ",
  "don't we'll THEY'RE (a,b;c!?) email@example.com",
  "1234567 3.14 ½ ٣ №",
  "e\u0301 E\u0301 \u1e9e",
  "Привет МИР Ёлка",
  "[MASK] [CLS] <s> </s> <pad> <|endoftext|>",
  "",
  " "
]

export const pairs = [
  ["Hello World", "a CAFÉ"],
  ["naïve", "漢字 😀"]
] as const

const read = (name: string, file: string) =>
  JSON.parse(readFileSync(join(goldens, "tokenizers", name, file), "utf8")) as Json
const [minilm, smollm2, t5, clip] = ["minilm", "smollm2", "t5", "clip"].map((name) => read(name, "tokenizer.json")) as [
  Json,
  Json,
  Json,
  Json
]
// its own map of characters is cut short, which the Rust library does not read
const sentencePiece = { ...t5, normalizer: { type: "NFKC" } }
const configOf = (name: string) => read(name, "tokenizer_config.json")
const bertNormalizer = (options: Json) => ({
  ...minilm,
  normalizer: { ...(minilm["normalizer"] as Json), ...options }
})
const cased = bertNormalizer({ lowercase: false, strip_accents: false })

const withoutMask = (() => {
  const model = minilm["model"] as Json
  const { "[MASK]": _, ...vocab } = model["vocab"] as Json
  const added = (minilm["added_tokens"] as ReadonlyArray<Json>).filter(({ content }) => content !== "[MASK]")
  return { ...cased, added_tokens: added, model: { ...model, vocab } }
})()

/** In RoBERTa's form, whose pairs have one type. */
const robertaLike = (tokenizer: Json, cls: readonly [string, number], sep: readonly [string, number]) => ({
  ...tokenizer,
  post_processor: { type: "RobertaProcessing", sep, cls, trim_offsets: true, add_prefix_space: false }
})
const byteLevel = robertaLike(
  { ...smollm2, pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true } },
  ["<|im_start|>", 1],
  ["<|im_end|>", 2]
)

type Of = readonly [name: string, modelType: string, tokenizer: Json, config: Json | null]

const encoder = (tokenTypes: number, padId: number, ...[name, modelType, tokenizer, config]: Of): Case => ({
  name,
  modelType,
  tokenizer,
  config,
  use: { tokenTypes, padId }
})
/** A model that continues a text. */
const decoder = (...[name, modelType, tokenizer, config]: Of): Case => ({
  name,
  modelType,
  tokenizer,
  config,
  use: { tokenTypes: 0, padId: 2, ends: { begins: false, finishes: false } }
})
const other = (...[name, modelType, tokenizer, config]: Of): Case => ({
  name,
  modelType,
  tokenizer,
  config,
  use: { tokenTypes: 0, padId: 0 }
})

const published = configOf("smollm2")
const classed = (tokenizer_class: string): Json => ({ ...published, tokenizer_class })
const { tokenizer_class: _, ...unclassed } = published
const [pad, robertaPad] = [{ pad_token: "[PAD]" }, { pad_token: "<|im_end|>" }]

export const cases: ReadonlyArray<Case> = [
  encoder(2, 0, "bert", "bert", minilm, configOf("minilm")),
  encoder(2, 0, "bert-cased", "bert", cased, null),
  encoder(2, 0, "bert-cased-generic", "bert", cased, { ...pad, tokenizer_class: "PreTrainedTokenizerFast" }),
  encoder(2, 0, "bert-cased-unsaid", "bert", cased, { ...pad, tokenizer_class: "BertTokenizer" }),
  encoder(2, 0, "bert-cased-backend", "bert", cased, { ...pad, tokenizer_class: "TokenizersBackend" }),
  encoder(2, 0, "bert-accents", "bert", bertNormalizer({ strip_accents: false }), pad),
  encoder(2, 0, "bert-plain", "bert", bertNormalizer({ lowercase: false, strip_accents: true }), null),
  encoder(2, 0, "bert-ideographs", "bert", bertNormalizer({ handle_chinese_chars: false }), null),
  encoder(2, 0, "bert-without-mask", "bert", withoutMask, null),
  encoder(
    2,
    0,
    "bert-sequence",
    "bert",
    { ...minilm, normalizer: { type: "Sequence", normalizers: [{ type: "NFC" }, { type: "Lowercase" }] } },
    configOf("minilm")
  ),
  encoder(0, 0, "distilbert-cased", "distilbert", cased, null),
  encoder(0, 0, "distilbert-cased-named", "distilbert", cased, { ...pad, tokenizer_class: "DistilBertTokenizer" }),
  encoder(1, 2, "roberta", "roberta", byteLevel, robertaPad),
  encoder(1, 2, "roberta-named", "roberta", byteLevel, { ...robertaPad, tokenizer_class: "RobertaTokenizer" }),
  encoder(1, 0, "roberta-word-piece", "roberta", robertaLike(cased, ["[CLS]", 101], ["[SEP]", 102]), null),
  decoder("llama", "llama", smollm2, published),
  decoder("llama-generic", "llama", smollm2, classed("PreTrainedTokenizerFast")),
  decoder("llama-named", "llama", smollm2, { ...classed("LlamaTokenizer"), add_bos_token: true }),
  decoder("mistral", "mistral", smollm2, unclassed),
  decoder("phi3", "phi3", smollm2, unclassed),
  decoder("gpt2", "gpt2", smollm2, unclassed),
  decoder("gpt2-none", "gpt2", smollm2, null),
  decoder("gemma2", "gemma2", smollm2, unclassed),
  decoder("gemma3", "gemma3_text", smollm2, classed("GemmaTokenizer")),
  decoder("qwen3", "qwen3", smollm2, classed("Qwen2Tokenizer")),
  other("t5", "t5", sentencePiece, configOf("t5")),
  other("mt5", "mt5", sentencePiece, null),
  other("umt5", "umt5", sentencePiece, configOf("t5")),
  other("clip", "clip", clip, configOf("clip"))
]

export interface Encoded {
  readonly ids: ReadonlyArray<number>
  /** of an encoder with types */
  readonly types?: ReadonlyArray<number>
}

/** Writes the base and what is exported of it below `folder`; gives what the run's tokenizer makes of the texts, and of the pairs. */
export const written = async (folder: string, { name, modelType, tokenizer, config, use }: Case) => {
  const [base, out] = [join(folder, "base", name), join(folder, "out", name)]
  for (const place of [base, out]) {
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, "config.json"), JSON.stringify({ model_type: modelType }))
  }
  writeFileSync(join(base, "tokenizer.json"), JSON.stringify(tokenizer))
  if (config !== null) writeFileSync(join(base, "tokenizer_config.json"), JSON.stringify(config))
  await run(copyCompanions(base, out, use))
  if (!isEncoder(modelType)) {
    const own = await run(causalTokenizer({ where: base, tokenizer, tokenizerConfig: config }))
    return { texts: texts.map((text): Encoded => ({ ids: own.encode(text, { special: true }) })), pairs: [] }
  }
  const { tokenTypes } = use
  const own = await run(loadTokenizer(base, { tokenTypes }))
  const encode = (text: string, pair?: string): Encoded => {
    const { ids, typeIds } = own.encode(text, 100_000, pair)
    return tokenTypes === 0 ? { ids } : { ids, types: typeIds }
  }
  return { texts: texts.map((text) => encode(text)), pairs: pairs.map(([text, pair]) => encode(text, pair)) }
}

const isEncoder = (modelType: string): boolean => Object.hasOwn(families, modelType)

/** tokenizer_config.json of an exported case; null: there is none. */
export const exportedConfig = (folder: string, name: string): unknown => {
  const file = join(folder, "out", name, "tokenizer_config.json")
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : null
}
