/** What a kind of run says while a plan of it is suggested. */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type { MemoryEstimate, ResolvedPlan, ResolveError } from "../plan/index.ts"
import type { Choice } from "./choice.ts"
import type { Knob } from "./memory-fit.ts"

export interface Chosen {
  /** in the order of a plan */
  readonly choices: ReadonlyArray<Choice>
  /** what no value of the plan can mend, a sentence each */
  readonly cautions: ReadonlyArray<string>
}

// methods, whose arguments a kind narrows to its own
export interface Suggesting<R extends ResolvedPlan = ResolvedPlan> {
  /** the largest `data.maxLength` that a plan may have; null where rows are not cut */
  readonly uncut: number | null
  /** the share of the training rows that is held out where no validation file is given */
  readonly heldOut: (rows: number) => Choice | null
  /** From a plan that cuts nothing and holds nothing out; `held`: training rows that will be held out. */
  choose(seen: R, held: number): Chosen
  /** What can be given up for memory, least harm first; one that comes again is turned further. */
  turns(choices: ReadonlyArray<Choice>): ReadonlyArray<Knob>
  /** Memory of a plan with the same model and rank. */
  estimate(plan: R["plan"], resolved: R): MemoryEstimate
}

/** A kind of run, as far as suggestions need it. */
export interface SuggestedKind {
  readonly suggesting: Suggesting
  resolve(
    plan: ResolvedPlan["plan"],
    name: string
  ): Effect.Effect<ResolvedPlan, ResolveError, FileSystem.FileSystem | Path.Path | Scope.Scope>
}
