/** What a model card is made from. Every path in it is one that may be published. */
import type { ResolvedPlan } from "../../plan/resolved.ts"
import type { RunReport } from "../run.ts"
import type { BaseCard } from "./base-card.ts"

export interface CardSource {
  readonly resolved: ResolvedPlan
  readonly report: RunReport
  /** the base model as the card calls it */
  readonly base: string
  /** the adapter's folder as the card calls it */
  readonly adapter: string
  readonly baseCard: BaseCard
}

/** A data file by its name alone, with what may stand behind it: `/data/train.jsonl (held out)` → `train.jsonl (held out)`. */
export const fileName = (where: string): string => where.replace(/[\\/]+$/, "").replace(/^.*[\\/]/, "")
