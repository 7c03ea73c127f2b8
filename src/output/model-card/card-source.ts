/** What a model card is made from, and what a kind of run says on it. Every path in it is one that may be published. */
import type { ResolvedPlan } from "../../plan/index.ts"
import type { Metrics } from "../../training/index.ts"
import type { RunReport } from "../run.ts"
import type { BaseCard } from "./base-card.ts"

export interface CardSource<R extends ResolvedPlan = ResolvedPlan> {
  readonly resolved: R
  readonly report: RunReport
  /** the base model as the card calls it */
  readonly base: string
  /** the adapter's folder as the card calls it */
  readonly adapter: string
  readonly baseCard: BaseCard
}

export interface CardParts {
  /** the Hub's pipeline for such models; null: it has none */
  readonly pipeline: string | null
  /** what its results are of, as the Hub calls it */
  readonly task: string
  /** what is trained where no layer is adapted */
  readonly alone: string
  /** "to tell 2 classes of text apart: …", the end of a sentence */
  readonly purpose: string
  /** further rows of the table of settings */
  readonly settings: ReadonlyArray<readonly [name: string, value: unknown]>
  /** how to load what was trained, in Markdown */
  readonly loading: string
  /** "answers every text with …": sentences that go on after how many rows were seen */
  readonly limits: string
}

/** A kind of run, as far as a card needs it. */
export interface CardKind {
  readonly metrics: Metrics
  card(source: CardSource): CardParts
}

/** A data file by its name alone, with what may follow it: `/data/train.jsonl (held out)` → `train.jsonl (held out)`. */
export const fileName = (where: string): string => where.replace(/[\\/]+$/, "").replace(/^.*[\\/]/, "")

/** A Python string literal: JSON's escapes are Python's too. A line break in a path cannot end the code block. */
export const python = (text: string): string => JSON.stringify(text)

export const fenced = (language: string, lines: ReadonlyArray<string>): string =>
  [`\`\`\`${language}`, ...lines, "```"].join("\n")
