/** Small tokenizer.json files of the three models the library knows, with every kind of part around them. */
const added = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map((content, id) => ({
  id,
  content,
  single_word: false,
  lstrip: id === 2,
  rstrip: id === 2,
  normalized: false,
  special: true
}))

const special = (id: string, type_id = 0) => ({ SpecialToken: { id, type_id } })
const template = {
  type: "TemplateProcessing",
  single: [special("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, special("[SEP]")],
  pair: [special("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: {
    "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
    "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] }
  }
}

const pieces = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "a",
  "b",
  "c",
  "##a",
  "##b",
  "ab",
  "film",
  "fine",
  "▁a",
  "▁",
  "Ġa",
  "."
]
const vocabulary = Object.fromEntries(pieces.map((piece, id) => [piece, id]))

const common = { version: "1.0", truncation: null, padding: null, added_tokens: added, decoder: null }

export const tokenizers: ReadonlyArray<Record<string, unknown>> = [
  {
    ...common,
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: template,
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: vocabulary
    }
  },
  {
    ...common,
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "NFKC" },
        { type: "Replace", pattern: { String: "  " }, content: " " },
        { type: "Prepend", prepend: "▁" },
        { type: "Strip", strip_left: true, strip_right: true },
        { type: "Lowercase" }
      ]
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: "\\p{L}+|\\s+" }, behavior: "Isolated", invert: false },
        { type: "FixedLength", length: 4 },
        { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: false }
      ]
    },
    post_processor: {
      type: "RobertaProcessing",
      sep: ["[SEP]", 3],
      cls: ["[CLS]", 2],
      trim_offsets: true,
      add_prefix_space: true
    },
    model: {
      type: "BPE",
      unk_token: "[UNK]",
      byte_fallback: false,
      fuse_unk: true,
      vocab: vocabulary,
      merges: ["a b", "Ġ a"]
    }
  },
  {
    ...common,
    normalizer: { type: "Precompiled", precompiled_charsmap: "BAAAAAAAAAA=" },
    pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "always" },
    post_processor: null,
    model: { type: "Unigram", unk_id: 1, vocab: pieces.map((piece, i) => [piece, -i]) }
  }
]

export const texts = ["a fine film.", "", "ab  ABΣ\tfilm[SEP]", "\u0000\ud800 é 电影 🎬".repeat(20), "x".repeat(300)]
