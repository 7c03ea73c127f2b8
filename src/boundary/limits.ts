/**
 * Limits on the cost of input from outside. Each has a name, a default and a reason. A limit protects the process that reads the input, so
 * it is set per process and not in a plan, which is itself input from outside. docs/limits.md describes each; pages load this file.
 *
 *   TFJS_LORA_PRO_LIMITS=json-depth=128,text-file-bytes=200000000     for the command line
 *   setLimits({ "json-depth": 128 })                                   in code
 */

import { wholeNumber } from "./counts.ts"

interface Limit {
  /** in `unit`, greater than 0 */
  readonly default: number
  /** unit of the value */
  readonly unit:
    | "bytes"
    | "characters"
    | "levels"
    | "seconds"
    | "times"
    | "entries"
    | "steps"
    | "pages"
    | "pixels"
    | "scans"
    | "tokens"
}

const mebibyte = 2 ** 20

/** All limits on input from outside, with defaults and units. `setLimits` changes them. */
export const limits = {
  /** default 536,870,912 bytes: what a run keeps of its frozen blocks; rows beyond it are computed each time */
  // per run: 14,000 rows of 25 tokens in MiniLM, an eighth of wasm's memory
  "prefix-bytes": { default: 512 * mebibyte, unit: "bytes" },
  /** default 67,108,864 bytes: a file read as a whole: config, tokenizer, report */
  // half of it holds the largest tokenizer.json in use (a vocabulary of 256,000 with its merges)
  "text-file-bytes": { default: 64 * mebibyte, unit: "bytes" },
  /** default 2,097,152 bytes: a plan */
  // a plan has a page; only its list of labels may be long, of which 50,000 fit
  "plan-bytes": { default: 2 * mebibyte, unit: "bytes" },
  /** default 64 levels: nested objects and lists in a JSON file */
  // a tokenizer.json has about ten, a plan six, a safetensors header three
  "json-depth": { default: 64, unit: "levels" },
  /** default 262,144 characters: a chat template */
  // the longest templates in use have 20,000
  "template-source": { default: 2 ** 18, unit: "characters" },
  /** default 4,096 characters: consecutive spaces and line breaks in a chat template */
  // compilation time grows with the square of such a sequence; a template of maximum length that consists of these takes 1 s
  "template-spaces": { default: 4_096, unit: "characters" },
  /** default 10,000 steps: a chat template, for each message and each 1,000 characters of a conversation, up to 200 of these */
  // templates in use take 30 to 210 for a message of 1,000 characters; 10,000 take 3 ms
  "template-steps": { default: 10_000, unit: "steps" },
  /** default 4,194,304 characters: any text that a chat template makes */
  // a million tokens
  "template-characters": { default: 2 ** 22, unit: "characters" },
  /** default 500 levels: nested expressions, blocks and calls in a chat template */
  // a sum of a hundred texts nests a hundred levels deep; templates in use need 40; engine stacks allow several thousand
  "template-depth": { default: 500, unit: "levels" },
  /** default 100 pages: the Hub's listing of a model */
  // a page has 1,000 entries
  "hub-pages": { default: 100, unit: "pages" },
  /** default 100,000 entries: the same listing, all pages together */
  "hub-files": { default: 100_000, unit: "entries" },
  /** default 274,877,906,944 bytes: the download of a model or a data set */
  // a model of 120 billion parameters of 16 bits
  "hub-bytes": { default: 256 * 2 ** 30, unit: "bytes" },
  /** default 60 seconds: until the Hub has answered, and until a download that brings less than 1 kB a second counts as broken; an upload has a second more for every 20 kB */
  // a busy Hub takes several seconds for a listing
  "hub-seconds": { default: 60, unit: "seconds" },
  /** default 2,147,483,647 bytes: a file that is fetched into memory */
  // the longest byte array that all browsers support
  "fetched-bytes": { default: 2 ** 31 - 1, unit: "bytes" },
  /** default 64 entries: the shape of a tensor in a file */
  // PyTorch supports at most 64
  "tensor-axes": { default: 64, unit: "entries" },
  /** default 10,000 entries: weight files of one model */
  // shards of 4 MB, the default of tensorflowjs_converter, of a model of 40 GB
  "weight-files": { default: 10_000, unit: "entries" },
  /** default 33,554,432 bytes: the header of a safetensors file */
  // a quantized mixture of experts in one file has 150,000 tensors: 17 MB
  "safetensors-header-bytes": { default: 32 * mebibyte, unit: "bytes" },
  /** default 67,108,864 bytes: the header of a GGUF file */
  // a vocabulary of 262,144 tokens with its merges takes 16 MB
  "gguf-header-bytes": { default: 64 * mebibyte, unit: "bytes" },
  /** default 4,194,304 entries: a list in the metadata of a GGUF file */
  // the largest vocabularies have half a million merges
  "gguf-list": { default: 4_194_304, unit: "entries" },
  /** default 100,000 entries: keys, or tensors, of a GGUF file */
  // about fifty keys, and ten thousand tensors of a mixture of experts
  "gguf-entries": { default: 100_000, unit: "entries" },
  /** default 256 characters: a piece of a SentencePiece vocabulary in a GGUF file */
  // SentencePiece creates pieces of 16; every piece is split at every position
  "gguf-piece": { default: 256, unit: "characters" },
  /** default 67,108,864 pixels: an image, by its header */
  // cameras of 60 megapixels are below it; decoding takes up to 18 bytes per pixel on every thread
  "image-pixels": { default: 2 ** 26, unit: "pixels" },
  /** default 65,535 pixels: a side of an image, by its header */
  // maximum of JPEG; the weights of a resize take memory in proportion to the longest side
  "image-side": { default: 65_535, unit: "pixels" },
  /** default 268,435,456 bytes: an image file */
  // photographs take a few megabytes; incompressible ones with the maximum number of pixels take 200
  "image-file-bytes": { default: 256 * mebibyte, unit: "bytes" },
  /** default 100 scans: a progressive JPEG image */
  // encoders write ten; each covers all pixels
  "jpeg-scans": { default: 100, unit: "scans" },
  /** default 2,147,483,648 bytes: the weights of a tf.LayersModel, or an adapter over one */
  // loading a model holds them twice, and wasm has 4 GB
  "layers-model-bytes": { default: 2_048 * mebibyte, unit: "bytes" },
  /** default 10,000 entries: layers of a tf.LayersModel, their uses and the inputs of these */
  // the largest applications of Keras have about a thousand
  "layers-model-layers": { default: 10_000, unit: "entries" },
  /** default 100,000 times: a layer of a tf.LayersModel that is found to wait for an input */
  // layers are listed in order; each call of a shared one waits for those before it. The maximum takes 5 s
  "layers-model-waits": { default: 100_000, unit: "times" },
  /** default 268,435,456 entries: outputs of all layers of a tf.LayersModel for one row */
  // a gigabyte; U-Nets over volumes, the widest models, approach it
  "layers-model-row": { default: 2 ** 28, unit: "entries" },
  /** default 1,000,000 entries: classes of a tf.LayersModel */
  // a thousand is common, a vocabulary the maximum
  "layers-model-classes": { default: 1_000_000, unit: "entries" },
  /** default 1,000 entries: patterns over layers in a plan or an adapter */
  // naming every layer of a model of 80 blocks takes 560; each pattern is compared with every layer
  "adapter-patterns": { default: 1_000, unit: "entries" },
  /** default 262,144 characters: the record of an adapter over a tf.LayersModel */
  // a thousand layer paths, each with an override, take 100 kB
  "adapter-record": { default: 2 ** 18, unit: "characters" },
  /** default 4,096 characters: a pattern, a prefix or a replacement in a tokenizer.json */
  // the longest pattern in use has 600
  "pattern-characters": { default: 4_096, unit: "characters" },
  /** default 100,000,000 steps: finding the matches of one pattern of a tokenizer.json in one text */
  // patterns in use take up to 40 per character; the maximum takes about 5 seconds
  "pattern-steps": { default: 100_000_000, unit: "steps" },
  /** default 4,194,304 bytes: a row of data, as stored in a JSON lines or CSV file, or a line of stdin */
  // the longest novels have three million; tokenizing a text of this length without spaces takes ten seconds
  "row-bytes": { default: 4 * mebibyte, unit: "bytes" },
  /** default 10,000 entries: columns of a file of CSV or Parquet */
  // three or four are used; tables of measurements have several thousand more
  columns: { default: 10_000, unit: "entries" },
  /** default 2,000,000 entries: files and folders in a folder of images or texts, or in a .zip */
  // ImageNet has 1,281,167; the names take 200 MB
  "image-files": { default: 2_000_000, unit: "entries" },
  /** default 2,048 entries: different labels of the rows that a classifier learns */
  // an evaluation counts every pair of classes: 4 million values in the run's record
  classes: { default: 2_048, unit: "entries" },
  /** default 100 times: the unpacked size of a .gz, .zip or .parquet file, relative to the file; 64 MiB are always allowed */
  // legitimate rows compress up to thirty times, zip bombs a thousand times
  "unpacked-ratio": { default: 100, unit: "times" },
  /** default 2,097,152 entries: values in the footer of a Parquet file */
  // 30,000 row groups of two columns; libraries write several hundred row groups in a file of 10 GB
  "parquet-footer-values": { default: 2 ** 21, unit: "entries" },
  /** default 536,870,912 bytes: a row group of a Parquet file, unpacked, only the columns that are read */
  // libraries write row groups of 100 to 300 MB; as rows they take twice as much memory
  "parquet-group-bytes": { default: 512 * mebibyte, unit: "bytes" },
  /** default 8,388,608 entries: values in a row group of a Parquet file, only the columns that are read; each counts once for each level of lists and records */
  // libraries write row groups of at most 1,048,576 rows
  "parquet-group-values": { default: 2 ** 23, unit: "entries" },
  /** default 64 entries: normalizers, pre-tokenizers, post-processors, decoders and pieces of templates of a tokenizer.json */
  // ALBERT has eleven
  "tokenizer-parts": { default: 64, unit: "entries" },
  /** default 20 times: how long a tokenizer's normalizer, or its pre-tokenizer, makes a text */
  // NFKC expands U+FDFA to 18 characters, byte-level encodings a character to four
  "tokenizer-growth": { default: 20, unit: "times" },
  /** default 256 characters: a word that WordPiece cuts (max_input_chars_per_word) */
  // BERT has 100; a word of n characters may take n³/6 steps
  "word-characters": { default: 256, unit: "characters" },
  /** default 512 characters: an added token, or a piece of a Unigram vocabulary */
  // pieces of spaces and dashes have up to 128
  "token-characters": { default: 512, unit: "characters" },
  /** default 524,288 characters: all added tokens of a tokenizer.json together, or all special tokens that tokenizer_config.json names */
  // Gemma has 6,400 of 11; one regular expression finds them, and Bun's are limited to about a million
  "added-tokens": { default: 2 ** 19, unit: "characters" },
  /** default 4,194,304 characters: added tokens, or pieces of a Unigram vocabulary, without shared beginnings */
  // a character takes 270 bytes; the million pieces of XLM-V share most of theirs
  "token-tree": { default: 2 ** 22, unit: "characters" },
  /** default 8,192 steps: finding the best pieces of a Unigram vocabulary, for each character of a text */
  // of pieces of one repeated letter up to 48 long, about 2,300 in a text of that letter
  "lattice-steps": { default: 8_192, unit: "steps" },
  /** default 4,194,304 bytes: the body of a request to `serve` */
  // a photograph, or a book of 700 pages
  "serve-body-bytes": { default: 4 * mebibyte, unit: "bytes" },
  /** default 268,435,456 bytes: all request bodies in `serve` at a time */
  // 200 clients with bodies of a megabyte
  "serve-waiting-bytes": { default: 256 * mebibyte, unit: "bytes" },
  /** default 2,048 entries: rows or texts of one request */
  // OpenAI's limit for texts to embed is 2,048
  "serve-rows": { default: 2_048, unit: "entries" },
  /** default 64 entries: images of one request */
  // a page of thumbnails
  "serve-images": { default: 64, unit: "entries" },
  /** default 12,582,912 pixels: an image of a request, by its header */
  // photographs of phones: 4,096 × 3,072; decoding takes up to 18 bytes per pixel, for all images that `serve` decodes at a time
  "serve-image-pixels": { default: 3 * 2 ** 22, unit: "pixels" },
  /** default 67,108,864 pixels: all images of one request */
  // decoding them takes a second
  "serve-request-pixels": { default: 2 ** 26, unit: "pixels" },
  /** default 268,435,456 pixels: images that wait in `serve` or are decoded, of all requests */
  // decoding them takes three seconds on one thread
  "serve-waiting-pixels": { default: 2 ** 28, unit: "pixels" },
  /** default 262,144 characters: one text of a request */
  // tokenizing takes 0.3 s; models read a tenth of it
  "serve-characters": { default: 2 ** 18, unit: "characters" },
  /** default 1,024 entries: requests that are answered or wait at a time */
  // at 20 requests per second, more would wait longer than a minute
  "serve-requests": { default: 1_024, unit: "entries" },
  /** default 16 entries: texts that are written at a time; others wait */
  // each keeps keys and values of all its tokens on the device
  "serve-texts": { default: 16, unit: "entries" },
  /** default 4,096 tokens: the text written for one request */
  // ten pages
  "serve-new-tokens": { default: 4_096, unit: "tokens" },
  /** default 16,384 tokens: cached prompt prefixes, for each model */
  // a model of 30 layers and 3 key heads takes 46 kB per token: 750 MB
  "serve-cached-tokens": { default: 16_384, unit: "tokens" },
  /** default 300 seconds: until all processes of a run have begun */
  // machines start them within seconds, a package on a slow network disk takes a minute
  "rank-seconds": { default: 300, unit: "seconds" },
  /** default 300 seconds: until a request is answered, including waiting */
  // OpenAI's clients wait ten minutes by default
  "serve-seconds": { default: 300, unit: "seconds" },
  /** default 30 seconds: until the body of a request has arrived */
  // 4 MiB at 140 kB a second
  "serve-body-seconds": { default: 30, unit: "seconds" },
  /** default 10 seconds: until the header of a request has arrived */
  // a header arrives in one packet
  "serve-header-seconds": { default: 10, unit: "seconds" },
  /** default 60 seconds: until a client takes more of an answer */
  // protects against clients that do not read a response
  "serve-reader-seconds": { default: 60, unit: "seconds" },
  /** default 256 entries: models that are served at a time */
  // an adapter of rank 8 over a small encoder takes 2 MB with its head
  "serve-adapters": { default: 256, unit: "entries" },
  /** default 33,554,432 bytes: a request of the studio's page: a plan, rows with pictures */
  // several rows with a photograph in each, as text
  "studio-body-bytes": { default: 32 * mebibyte, unit: "bytes" },
  /** default 34,359,738,368 bytes: all files dropped on the studio's page together; at most `image-files` of them */
  // a hundred thousand photographs, or the rows of a large table
  "studio-store-bytes": { default: 32 * 2 ** 30, unit: "bytes" }
} as const satisfies Readonly<Record<string, Limit>>

/** The name of a limit. */
export type LimitName = keyof typeof limits

const values = new Map<LimitName, number>()

/** Returns the current value of a limit. */
export const limit = (name: LimitName): number => values.get(name) ?? limits[name].default

/**
 * Returns the end of a sentence about rejected input: the limit, its value, and how to raise it.
 *
 *   `nests deeper than ${overLimit("json-depth")}` → "nests deeper than 64 levels (limit json-depth; TFJS_LORA_PRO_LIMITS=json-depth=N raises it)"
 */
export const overLimit = (name: LimitName): string =>
  `${wholeNumber(limit(name))} ${limits[name].unit} (limit ${name}; ${LIMITS_VARIABLE}=${name}=N raises it)`

export const LIMITS_VARIABLE = "TFJS_LORA_PRO_LIMITS"

const isName = (name: string): name is LimitName => Object.hasOwn(limits, name)

/**
 * Sets limits of this process, each to a number above 0 in its unit; others keep their values. Throws a RangeError for an unknown name or an invalid value.
 */
export const setLimits = (newLimits: { readonly [Name in keyof typeof limits]?: number }): void => {
  for (const [name, value] of Object.entries(newLimits)) {
    if (!isName(name)) throw new RangeError(`unknown limit ${name}; expected one of ${Object.keys(limits).join(", ")}`)
    if (!Number.isFinite(value) || value <= 0) {
      throw new RangeError(`the limit ${name} is ${value}; expected a number of ${limits[name].unit} above 0`)
    }
    values.set(name, value)
  }
}

/** Sets limits from `name=value,name=value`. Throws a RangeError as `setLimits` does. */
export const setLimitsFromText = (text: string): void => {
  const entries = text.split(",").filter((entry) => entry.trim() !== "")
  const limitEntries = entries.map((entry) => {
    const [name = "", value = ""] = entry.split("=", 2).map((part) => part.trim())
    return [name, value === "" ? Number.NaN : Number(value)] as const
  })
  setLimits(Object.fromEntries(limitEntries))
}
