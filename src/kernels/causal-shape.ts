/** What causal attention needs to know of its heads and keys, from callers and in every backend. */
export interface CausalShape {
  readonly batch: number
  readonly heads: number
  /** divides `heads` */
  readonly keyValueHeads: number
  /** of the scores; mostly 1/√d */
  readonly scale: number
  /** a query attends so many keys at most, its own token's among them; null: all */
  readonly window: number | null
  /** of the scores; null: none */
  readonly softcap: number | null
}
