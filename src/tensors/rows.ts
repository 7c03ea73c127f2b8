/** Batches as data makes them and models take them, on the host; and what data needs of a causal model's tokenizer. */

/**
 * A batch of token sequences, row-major [size, length]. A row holds one text and then padding, or several texts packed one after
 * another: then `segments` counts them, attention stays inside each, and `positions` begin at 0 in each.
 */
export interface CausalRows {
  /** number of rows */
  readonly size: number
  /** positions per row, including padding */
  readonly length: number
  /** `[size, length]`: token ids */
  readonly inputIds: Int32Array
  /** target token for each position, already shifted; −100 is ignored by the loss */
  readonly labels: Int32Array
  /** 0, 1, 2, … for the texts of a row, −1 for padding */
  readonly segments: Int32Array
  /** `[size, length]`: positions in a text, counted from 0 */
  readonly positions: Int32Array
  /** `[size]`: tokens of each row's text, where more of it follows in later batches; absent: a text ends at its last position here */
  readonly textLengths?: ReadonlyArray<number>
  /** number of non-padding tokens */
  readonly tokens: number
}

/** Source and target texts, padded on the right. */
export interface Seq2SeqRows {
  /** number of rows */
  readonly size: number
  /** positions per source text, including padding */
  readonly sourceLength: number
  /** `[size, sourceLength]`: token ids */
  readonly inputIds: Int32Array
  /** `[size, sourceLength]`: 1 for tokens, 0 for padding */
  readonly attentionMask: Float32Array
  /** positions per target text, including padding */
  readonly targetLength: number
  /** `[size, targetLength]`: labels shifted right by one position, with the start token first and padding instead of −100 */
  readonly decoderInputIds: Int32Array
  /** `[size, targetLength]`: token ids; −100 for padding */
  readonly labels: Int32Array
  /** number of non-padding tokens in both */
  readonly tokens: number
  /** number of labels that are not −100 */
  readonly counted: number
}

export interface CausalTokenizer {
  /**
   * Encodes a text. `special`: whether to add the tokens that the tokenizer puts around every text (usually a BOS); default false. Never
   * truncates.
   */
  readonly encode: (
    text: string,
    options?: {
      /** whether to add the tokens that the tokenizer puts around every text; default false */
      readonly special?: boolean
    }
  ) => ReadonlyArray<number>
  /** Decodes ids. `special`: whether the text includes special tokens; default false. */
  readonly decode: (
    ids: ReadonlyArray<number>,
    options?: {
      /** special tokens are written out; default false */
      readonly special?: boolean
    }
  ) => string
  /** id of the token at the start of a text; null: none */
  readonly bosId: number | null
  /** id of the token at the end of a text (for chat models, of a turn, from tokenizer_config.json); null: none */
  readonly eosId: number | null
  /** id of the padding token; padding is masked, so any id works */
  readonly padId: number
  /** number of tokens in the vocabulary */
  readonly vocabularySize: number
  /** ids of special tokens */
  readonly specialIds: ReadonlySet<number>
  /** Returns the UTF-8 bytes that a token appends to a text, possibly part of a character; null for a special token or an unknown id. */
  readonly bytesOf: (id: number) => Uint8Array | null
  /** Jinja source of the chat template; null: none */
  readonly chatTemplate: string | null
  /** special tokens by their names in chat templates: bos_token, eos_token, … */
  readonly specialTokens: Readonly<Record<string, string>>
  /** other values available to the template; absent: none */
  readonly templateValues?: Readonly<Record<string, unknown>>
  /** date that `strftime_now` uses in the template, as YYYY-MM-DD; absent: the current date */
  readonly templateDate?: string
}

/** A padded batch of tokenized texts on the host, row-major [size, length]. */
export interface TokenTexts {
  /** number of texts */
  readonly size: number
  /** positions of the longest text */
  readonly length: number
  /** `[size, length]`: token ids */
  readonly inputIds: Int32Array
  /** `[size, length]`: 0 in the first text of a row, 1 in the second */
  readonly tokenTypeIds: Int32Array
  /** `[size, length]`: 1 for tokens, 0 for padding */
  readonly attentionMask: Float32Array
  /** number of non-padding tokens */
  readonly tokens: number
}

/** A padded batch of tokenized texts with class labels. */
export interface TokenRows extends TokenTexts {
  /** class indices, `[size]` */
  readonly labels: Int32Array
}
