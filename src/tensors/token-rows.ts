/** What data makes and text models take, on the host. */

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
