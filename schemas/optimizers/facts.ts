/** The contract of an optimizer in the language of plans: one file a kind, and the table in `../optimizer.ts`. */
import type { Decided } from "./shared.ts"

/** What has to hold between the fields of a section. */
export interface SectionRule<Config> {
  /** of the rule, in words with hyphens */
  readonly name: string
  /** the field that a violation is reported at */
  readonly field: string
  /** what was found and what was expected; undefined where it holds */
  readonly problem: (config: Config) => string | undefined
}

/** What is true of an optimizer, or of its configurations. */
export interface OptimizerFacts<Config extends { readonly learningRate: number | "auto" }> {
  /** its name for people */
  readonly label: string
  /** its arXiv number; null where it has no paper of its own */
  readonly paper: string | null
  /** what it needs of the adapter: that LoRA-Pro's theorem holds, that there are factors A and B, or nothing */
  readonly needs: "theorem" | "factors" | "nothing"
  /** whether its directions are those of LoRA-Pro's theorem, against which diagnostics hold them */
  readonly followsTheorem: boolean
  /** the largest rate of anything but the head: decay multiplies by 1 − rate·λ */
  readonly largestRate: (config: Decided<Config>) => number
  /** how `validate` names it */
  readonly title: (config: Config) => string
  /** what has to hold between the fields of its section; absent: nothing */
  readonly rules?: ReadonlyArray<SectionRule<Config>>
}

/** Facts that most have in common. */
export const plain = {
  followsTheorem: false,
  largestRate: ({ learningRate }: { readonly learningRate: number }) => learningRate,
  title: ({ kind }: { readonly kind: string }) => kind
}
