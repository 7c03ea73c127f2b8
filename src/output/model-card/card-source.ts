/** Inputs of a model card, and its parts that depend on the kind of run. Every path in them may be published. */
import type { BaseCard } from "../../models/index.ts"
import type { ResolvedPlan } from "../../plan/index.ts"
import type { Metrics } from "../../training/index.ts"
import type { RunReport } from "../run.ts"

/** Inputs of an adapter's model card. */
export interface CardSource<R extends ResolvedPlan = ResolvedPlan> {
  /** the run's plan with its model and data */
  readonly resolved: R
  /** the run's results */
  readonly report: RunReport
  /** name of the base model on the card */
  readonly base: string
  /** path of the adapter's folder on the card */
  readonly adapter: string
  /** path of the run's folder on the card */
  readonly run: string
  /** contents of the base model's own card */
  readonly baseCard: BaseCard
}

/** Parts of a model card that depend on the kind of run. */
export interface CardParts {
  /** the Hub's pipeline tag for such models; null: none */
  readonly pipeline: string | null
  /** task of the results, in the Hub's terms */
  readonly task: string
  /** description of the trained parameters if no layer is adapted */
  readonly alone: string
  /** purpose as the end of a sentence: "to distinguish 2 classes of text: …" */
  readonly purpose: string
  /** additional rows of the table of settings */
  readonly settings: ReadonlyArray<readonly [name: string, value: unknown]>
  /** Markdown that explains how to load the adapter */
  readonly loading: string
  /** limits, as sentences that follow the number of training rows: "answers every text with …" */
  readonly limits: string
}

/** A kind of run, as far as a card needs it. */
export interface CardKind {
  /** metrics of its evaluations, in the order in which the card lists them */
  readonly metrics: Metrics
  /** Returns the parts of a card that depend on this kind. */
  card(source: CardSource): CardParts
}

/** Returns the file name of a path, including any suffix: `/data/train.jsonl (held out)` → `train.jsonl (held out)`. */
export const fileName = (where: string): string => where.replace(/[\\/]+$/, "").replace(/^.*[\\/]/, "")

/** Returns a Python string literal; JSON's escapes are valid in Python. A line break in a path cannot end the code block. */
export const python = (text: string): string => JSON.stringify(text)

/** Returns the TypeScript program that uses a run, from the same working directory as the Python code. `ask`: the call on the run. */
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

/** Returns a fenced code block in Markdown. */
export const fenced = (language: string, lines: ReadonlyArray<string>): string =>
  [`\`\`\`${language}`, ...lines, "```"].join("\n")

/** Escapes a user's string as one line of Markdown, for a sentence or a table cell. */
export const markdown = (text: string): string =>
  text
    .replace(/\s+/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(/[\\`*_~[\]|#$!]/g, "\\$&")

/** Formats a name as a code span, with a fence longer than any run of backticks in it. Replaces pipes, which would end a table cell, with ¦. */
export const codeSpan = (text: string): string => {
  const line = text.replace(/\s+/g, " ").replaceAll("|", "¦")
  const longest = Math.max(0, ...(line.match(/`+/g) ?? []).map((run) => run.length))
  if (longest === 0) return `\`${line}\``
  const fence = "`".repeat(longest + 1)
  return `${fence} ${line} ${fence}`
}
