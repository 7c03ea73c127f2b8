/** Rows that are asked, and what was answered. */
import type { AnswerPair } from "../../../protocol/index.ts"

/** Fields and what is in them. */
export type Row = Readonly<Record<string, string>>

/** Rows that were asked together, with their answers. */
export interface Answered {
  readonly number: number
  readonly rows: ReadonlyArray<Row>
  readonly answers: ReadonlyArray<AnswerPair>
}
