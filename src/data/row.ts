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

/** A padded batch. */
export type { TokenRows as Batch } from "../tensors/rows.ts"
