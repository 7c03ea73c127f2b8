/**
 * The tokenizer_config.json of a merged model, with which transformers and transformers.js tokenize a text as the run did: by tokenizer.json.
 *
 * Most classes of transformers take only the vocabulary from tokenizer.json and build the rest themselves: `BertTokenizer` lowercases unless
 * `do_lower_case` is false, and `GPT2Tokenizer` splits by its own pattern. `PreTrainedTokenizerFast` takes the whole file. transformers.js takes
 * the whole file in every class, but only a few classes return token types, which a pair of texts needs: `BertTokenizer` is used if its options
 * describe all of tokenizer.json.
 */

import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { isRecord } from "../boundary/index.ts"
import { writeJson } from "../files/index.ts"
import { readJson } from "../models/index.ts"

type Json = Readonly<Record<string, unknown>>

/** A model's requirements of its tokenizer. */
export interface TokenizerUse {
  /** number of rows in the model's table of token types; 0: it has no such table */
  readonly tokenTypes: number
  /** id of the padding token, if tokenizer_config.json may omit it */
  readonly padId?: number
  /** tokens that tokenizer.json adds at the ends of texts; only for models that continue a text */
  readonly ends?: {
    /** whether a text starts with `bos_token` */
    readonly begins: boolean
    /** whether a text ends with `eos_token` */
    readonly finishes: boolean
  }
}

/** Returns the padding token in config.json, for models whose tokenizer may omit it. */
export const paddingOf = (config: unknown): Pick<TokenizerUse, "padId"> => {
  const padId = recordOf(config)["pad_token_id"]
  return typeof padId === "number" ? { padId } : {}
}

/** The class that takes all of tokenizer.json, in every version of transformers and in transformers.js. */
const WHOLE = "PreTrainedTokenizerFast"

/** Returns the complete tokenizer_config.json for a tokenizer.json, based on the base model's. */
export const tokenizerConfigFor = (tokenizer: Json, { auto_map: _code, ...config }: Json, use: TokenizerUse): Json => {
  const storedClass = config["tokenizer_class"]
  const added = Array.isArray(tokenizer["added_tokens"]) ? tokenizer["added_tokens"].filter(isRecord) : []
  const pad = added.find(({ id }) => id === use.padId)?.["content"]
  const padding = config["pad_token"] == null && typeof pad === "string" ? { pad_token: pad } : {}
  const inputs = ["input_ids", ...(use.tokenTypes === 0 ? [] : ["token_type_ids"]), "attention_mask"]
  const bert = use.tokenTypes > 1 ? bertOptions(tokenizer, config) : undefined
  if (bert !== undefined) {
    const inputNames = config["model_input_names"] === undefined ? {} : { model_input_names: inputs }
    const isBert = storedClass === "BertTokenizer" || storedClass === "BertTokenizerFast"
    return { ...config, ...padding, tokenizer_class: isBert ? storedClass : "BertTokenizer", ...bert, ...inputNames }
  }
  const { ends } = use
  // either makes transformers replace the template of tokenizer.json
  const saysMarks = config["add_bos_token"] !== undefined || config["add_eos_token"] !== undefined
  const marks = ends !== undefined && saysMarks ? { add_bos_token: ends.begins, add_eos_token: ends.finishes } : {}
  const side = ends === undefined || config["padding_side"] !== undefined ? {} : { padding_side: "left" }
  return { ...config, ...padding, ...marks, ...side, tokenizer_class: WHOLE, model_input_names: inputs }
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const recordOf = (value: unknown): Json => (isRecord(value) ? value : {})

/** Returns the options with which `BertTokenizer` builds this tokenizer.json from its vocabulary; undefined: it builds a different one. */
const bertOptions = (tokenizer: Json, config: Json): Json | undefined => {
  const [normalizer, pre, after, model] = ["normalizer", "pre_tokenizer", "post_processor", "model"].map((part) =>
    recordOf(tokenizer[part])
  ) as [Json, Json, Json, Json]
  const tokenOf = (name: string, usual: string) => {
    const value = config[name]
    return (isRecord(value) ? value["content"] : value) ?? usual
  }
  const [cls, sep] = [tokenOf("cls_token", "[CLS]"), tokenOf("sep_token", "[SEP]")]
  const special = (id: unknown, type: number) => ({ SpecialToken: { id, type_id: type } })
  const text = (id: string, type: number) => ({ Sequence: { id, type_id: type } })
  const single = [special(cls, 0), text("A", 0), special(sep, 0)]
  const pair = [...single, text("B", 1), special(sep, 1)]
  const isBuilt =
    normalizer["type"] === "BertNormalizer" &&
    normalizer["clean_text"] === true &&
    pre["type"] === "BertPreTokenizer" &&
    model["type"] === "WordPiece" &&
    model["continuing_subword_prefix"] === "##" &&
    model["max_input_chars_per_word"] === 100 &&
    model["unk_token"] === tokenOf("unk_token", "[UNK]") &&
    same([after["type"], after["single"], after["pair"]], ["TemplateProcessing", single, pair])
  if (!isBuilt) return undefined
  const mask = tokenOf("mask_token", "[MASK]")
  return {
    do_lower_case: normalizer["lowercase"],
    strip_accents: normalizer["strip_accents"],
    tokenize_chinese_chars: normalizer["handle_chinese_chars"],
    // else transformers adds a token that the model has no row for
    ...(String(mask) in recordOf(model["vocab"]) ? {} : { mask_token: null })
  }
}

/** Writes tokenizer_config.json into `folder`, which contains the base's tokenizer.json, unless the base's own is complete. */
export const writeTokenizerConfig = (base: string, folder: string, use: TokenizerUse) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const read = (name: "tokenizer.json" | "tokenizer_config.json") =>
      readJson(base, name).pipe(
        Effect.map(recordOf),
        Effect.orElseSucceed((): Json => ({}))
      )
    const [tokenizer, tokenizerConfig] = [yield* read("tokenizer.json"), yield* read("tokenizer_config.json")]
    // a model of images has none
    if (!isRecord(tokenizer["model"])) return
    const config = tokenizerConfigFor(tokenizer, tokenizerConfig, use)
    if (!same(config, tokenizerConfig)) yield* writeJson(path.join(folder, "tokenizer_config.json"), config)
  })
