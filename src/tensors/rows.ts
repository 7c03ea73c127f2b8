/** Batches as data makes them and models take them, on the host; and what data needs of a causal model's tokenizer. */

/**
 * A batch of token sequences, row-major [size, length]. A row holds one text and then padding, or several texts packed one after
 * another: then `segments` counts them, attention stays inside each, and `positions` begin at 0 in each.
 */
export interface CausalRows {
  readonly size: number
  readonly length: number
  readonly inputIds: Int32Array
  /** the token that should follow each token, or −100 where none is asked for: shifted already */
  readonly labels: Int32Array
  /** 0, 1, 2, … for the texts of a row, −1 for padding */
  readonly segments: Int32Array
  readonly positions: Int32Array
  /** [size]: tokens of each row's text, where more of it follows in later batches; absent: a text ends at its last position here */
  readonly textLengths?: ReadonlyArray<number>
  /** tokens that are not padding */
  readonly tokens: number
}

export interface CausalTokenizer {
  /** Ids of a text; `special`: with what the tokenizer puts around every text (a BOS, mostly); default false. Never truncated. */
  readonly encode: (text: string, options?: { readonly special?: boolean }) => ReadonlyArray<number>
  /** The text of ids; `special`: special tokens are written out (default: left away). */
  readonly decode: (ids: ReadonlyArray<number>, options?: { readonly special?: boolean }) => string
  readonly bosId: number | null
  /** the token that ends a text (for chat models the end of a turn, as tokenizer_config.json says) */
  readonly eosId: number | null
  readonly padId: number
  readonly vocabularySize: number
  /** ids of special tokens */
  readonly specialIds: ReadonlySet<number>
  /** Jinja source of the chat template; null: there is none */
  readonly chatTemplate: string | null
  /** the special tokens as a template may name them: bos_token, eos_token, … */
  readonly specialTokens: Readonly<Record<string, string>>
}

/** A padded batch of tokenised texts on the host, row-major [size, length]. */
export interface TokenRows {
  readonly size: number
  readonly length: number
  readonly inputIds: Int32Array
  readonly tokenTypeIds: Int32Array
  /** 1 where there is a token, 0 where there is padding */
  readonly attentionMask: Float32Array
  readonly labels: Int32Array // [size]
  /** tokens that are not padding */
  readonly tokens: number
}

/** The rows of a batch one by one: sequences that end in padding, or in none. */
export interface Sequences {
  /** positions of a row, with its padding */
  readonly length: number
  readonly rows: ReadonlyArray<{
    /** all that distinguishes a row's hidden states from another's */
    readonly key: string
    /** tokens up to the last that is not padding */
    readonly tokens: number
  }>
  /** Some of the rows as a batch of their own, as long as the longest of them. */
  readonly some: (rows: ReadonlyArray<number>) => TokenRows | CausalRows
}

export const textSequences = ({ size, length, inputIds, tokenTypeIds, attentionMask, labels }: TokenRows): Sequences =>
  sequences(
    size,
    length,
    [inputIds, tokenTypeIds, attentionMask],
    (at) => attentionMask[at] !== 0,
    (part, rows) => ({
      ...part,
      inputIds: part.of(inputIds),
      tokenTypeIds: part.of(tokenTypeIds),
      attentionMask: part.of(attentionMask),
      labels: Int32Array.from(rows, (row) => labels[row]!)
    })
  )

export const causalSequences = (batch: CausalRows): Sequences => {
  const { size, length, inputIds, labels, segments, positions, textLengths } = batch
  const isToken = (at: number) => segments[at]! >= 0
  // some rotary positions depend on how long a text is
  const lengths =
    textLengths === undefined ? [] : [Int32Array.from(positions, (_, at) => textLengths[Math.floor(at / length)]!)]
  return sequences(size, length, [inputIds, segments, positions, ...lengths], isToken, (part, rows) => ({
    ...part,
    inputIds: part.of(inputIds),
    labels: part.of(labels),
    segments: part.of(segments),
    positions: part.of(positions),
    ...(textLengths === undefined ? {} : { textLengths: rows.map((row) => textLengths[row]!) })
  }))
}

interface Part extends Pick<TokenRows, "size" | "length" | "tokens"> {
  /** The part's numbers of a whole batch's. */
  readonly of: <A extends Int32Array | Float32Array>(values: A) => A
}

/**
 * Attention of fewer queries than this may be summed in an order of its own (`fewQueries` on wasm): a row in a batch that is shorter is
 * told from the same row in a longer one.
 */
const FEW = 4

/** `deciding`: row-major [size, length], what hidden states depend on. */
const sequences = (
  size: number,
  length: number,
  deciding: ReadonlyArray<Int32Array | Float32Array>,
  isToken: (at: number) => boolean,
  batchOf: (part: Part, rows: ReadonlyArray<number>) => TokenRows | CausalRows
): Sequences => {
  const least = Math.min(length, FEW)
  const rows = Array.from({ length: size }, (_, row) => {
    const start = row * length
    let end = start + length
    while (end > start + 1 && !isToken(end - 1)) end--
    const numbers = deciding.map((values) => values.subarray(start, end).join())
    return { key: [least, ...numbers].join(";"), tokens: end - start }
  })
  const some = (picked: ReadonlyArray<number>) => {
    const counts = picked.map((row) => rows[row]!.tokens)
    const longest = Math.max(least, ...counts)
    const of = <A extends Int32Array | Float32Array>(values: A): A => {
      const part = values.slice(0, picked.length * longest)
      for (const [i, row] of picked.entries())
        part.set(values.subarray(row * length, row * length + longest), i * longest)
      return part as A
    }
    const tokens = counts.reduce((sum, count) => sum + count, 0)
    return batchOf({ size: picked.length, length: longest, tokens, of }, picked)
  }
  return { length, rows, some }
}
