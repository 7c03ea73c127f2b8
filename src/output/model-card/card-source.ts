/** What a model card is made from, and what a kind of run says on it. Every path in it is one that may be published. */
import type { BaseCard } from "../../models/index.ts"
import type { ResolvedPlan } from "../../plan/index.ts"
import type { Metrics } from "../../training/index.ts"
import type { RunReport } from "../run.ts"

/** What an adapter's model card is written from. */
export interface CardSource<R extends ResolvedPlan = ResolvedPlan> {
  /** the run's plan, with its model and its data */
  readonly resolved: R
  /** the run's results */
  readonly report: RunReport
  /** the base model as the card calls it */
  readonly base: string
  /** the adapter's folder as the card calls it */
  readonly adapter: string
  /** the run's folder as the card calls it */
  readonly run: string
  /** what the base's own card says */
  readonly baseCard: BaseCard
}

/** What a kind of run says of its own in a model card. */
export interface CardParts {
  /** the Hub's pipeline for such models; null: it has none */
  readonly pipeline: string | null
  /** what its results are of, as the Hub calls it */
  readonly task: string
  /** what is trained where no layer is adapted */
  readonly alone: string
  /** "to distinguish 2 classes of text: …", the end of a sentence */
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
  /** what its evaluations measure, in the order in which they are listed */
  readonly metrics: Metrics
  /** What a card says of this kind alone. */
  card(source: CardSource): CardParts
}

/** A data file by its name alone, with what may follow it: `/data/train.jsonl (held out)` → `train.jsonl (held out)`. */
export const fileName = (where: string): string => where.replace(/[\\/]+$/, "").replace(/^.*[\\/]/, "")

/** A Python string literal: JSON's escapes are Python's too. A line break in a path cannot end the code block. */
export const python = (text: string): string => JSON.stringify(text)

/** The program in TypeScript that asks a run, from the folder that Python's code assumes too; `ask`: what is called of the run. */
export const inTypeScript = ({ run }: Pick<CardSource, "run">, ask: string): string =>
  [
    "In TypeScript, with tfjs-lora-pro, from the same folder:",
    fenced("ts", [
      'import { Console, Effect } from "effect"',
      'import { Device, loadRun, platform } from "tfjs-lora-pro"',
      "",
      "await Effect.gen(function* () {",
      `  const run = yield* loadRun(${JSON.stringify(run)}) // the run folder that this adapter/ is in`,
      `  yield* Console.log(yield* run.${ask})`,
      "}).pipe(Effect.scoped, Effect.provide(Device.auto), Effect.provide(platform), Effect.runPromise)"
    ])
  ].join("\n\n")

/** A block of code in Markdown. */
export const fenced = (language: string, lines: ReadonlyArray<string>): string =>
  [`\`\`\`${language}`, ...lines, "```"].join("\n")

/** A user's string as one line of Markdown, for a sentence or a table cell: shown as it is, whatever characters are in it. */
export const markdown = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(/[\\`*_~[\]|#$!]/g, "\\$&")

/** A name in code style; the fence is longer than any run of backticks in it. A pipe would end a table cell even here. */
export const codeSpan = (text: string): string => {
  const line = text.replace(/\s+/g, " ").replaceAll("|", "¦")
  const longest = Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length))
  if (longest === 0) return `\`${line}\``
  const fence = "`".repeat(longest + 1)
  return `${fence} ${line} ${fence}`
}
