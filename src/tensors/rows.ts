/** Batches as data makes them and models take them, on the host; and what data needs of a causal model's tokenizer. */

/**
 * A batch of token sequences, row-major [size, length]. A row holds one text and then padding, or several texts packed one after
 * another: then `segments` counts them, attention stays inside each, and `positions` begin at 0 in each.
 */
export interface CausalRows {
  /** rows */
  readonly size: number
  /** positions of a row, with padding */
  readonly length: number
  /** `[size, length]`: token ids */
  readonly inputIds: Int32Array
  /** the token that should follow each token, or −100 where none is asked for: shifted already */
  readonly labels: Int32Array
  /** 0, 1, 2, … for the texts of a row, −1 for padding */
  readonly segments: Int32Array
  /** `[size, length]`: places in a text, from 0 */
  readonly positions: Int32Array
  /** `[size]`: tokens of each row's text, where more of it follows in later batches; absent: a text ends at its last position here */
  readonly textLengths?: ReadonlyArray<number>
  /** tokens that are not padding */
  readonly tokens: number
}

/** Texts that are read, and those that are to be written, padded on the right. */
export interface Seq2SeqRows {
  /** rows */
  readonly size: number
  /** positions of a text that is read */
  readonly sourceLength: number
  /** `[size, sourceLength]`: token ids */
  readonly inputIds: Int32Array
  /** `[size, sourceLength]`: 1 where there is a token, 0 where there is padding */
  readonly attentionMask: Float32Array
  /** positions of a text that is written */
  readonly targetLength: number
  /** `[size, targetLength]`: the labels one place to the right, after the start token, and padding in place of −100 */
  readonly decoderInputIds: Int32Array
  /** `[size, targetLength]`: token ids, −100 where there is padding */
  readonly labels: Int32Array
  /** tokens of both that are not padding */
  readonly tokens: number
  /** labels that are not −100 */
  readonly counted: number
}

export interface CausalTokenizer {
  /** Ids of a text; `special`: with what the tokenizer puts around every text (a BOS, mostly); default false. Never truncated. */
  readonly encode: (
    text: string,
    options?: {
      /** with the tokens that the tokenizer puts around every text; default false */
      readonly special?: boolean
    }
  ) => ReadonlyArray<number>
  /** The text of ids; `special`: special tokens are written out (default: left away). */
  readonly decode: (
    ids: ReadonlyArray<number>,
    options?: {
      /** special tokens are written out; default false */
      readonly special?: boolean
    }
  ) => string
  /** the token that texts begin with; null: none */
  readonly bosId: number | null
  /** the token that ends a text (for chat models the end of a turn, as tokenizer_config.json says) */
  readonly eosId: number | null
  /** what shorter texts of a batch are padded with; masked, so that any id does */
  readonly padId: number
  /** tokens that it has ids for */
  readonly vocabularySize: number
  /** ids of special tokens */
  readonly specialIds: ReadonlySet<number>
  /** What a token adds to a text after others, as UTF-8, perhaps a part of a character; null: a special token, or an id without a token. */
  readonly bytesOf: (id: number) => Uint8Array | null
  /** Jinja source of the chat template; null: none */
  readonly chatTemplate: string | null
  /** the special tokens as a template may name them: bos_token, eos_token, … */
  readonly specialTokens: Readonly<Record<string, string>>
  /** other values that the template may name; absent: none */
  readonly templateValues?: Readonly<Record<string, unknown>>
  /** the date that a template writes which calls strftime_now, as YYYY-MM-DD; absent: the present */
  readonly templateDate?: string
}

/** A padded batch of tokenized texts on the host, row-major [size, length]. */
export interface TokenTexts {
  /** texts */
  readonly size: number
  /** positions of the longest text */
  readonly length: number
  /** `[size, length]`: token ids */
  readonly inputIds: Int32Array
  /** `[size, length]`: 0 in the first text of a row, 1 in the second */
  readonly tokenTypeIds: Int32Array
  /** 1 where there is a token, 0 where there is padding */
  readonly attentionMask: Float32Array
  /** tokens that are not padding */
  readonly tokens: number
}

/** The same with the class of each. */
export interface TokenRows extends TokenTexts {
  /** `[size]`: indices of classes */
  readonly labels: Int32Array
}
