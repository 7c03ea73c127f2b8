/** A model's tokenizer, from the `tokenizer.json` beside its weights. */

export interface Encoding {
  readonly ids: ReadonlyArray<number>
  readonly typeIds: ReadonlyArray<number>
}

export interface Tokenizer {
  /** ids with special tokens, cut to `maxLength` tokens (the special ones kept) */
  readonly encode: (text: string, maxLength: number) => Encoding
  readonly padId: number
  readonly vocabularySize: number
}
