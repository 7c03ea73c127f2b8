/** What a data source yields, and what training receives: both on the host, no device involved. */

/** One labelled text. `where` is its place for error messages: `train.jsonl:12`. */
export interface LabelledText {
  readonly text: string
  readonly label: string
  readonly where: string
}

/** A row after tokenisation. */
export interface Example {
  readonly ids: ReadonlyArray<number>
  readonly typeIds: ReadonlyArray<number>
  /** index into the plan's labels */
  readonly label: number
}

/** A padded batch, row-major [size, length]. */
export interface Batch {
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
