/** The first part of a kind of run: what its plans mean. It needs no weights and no tfjs, so that `validate` and a page load nothing else. */
import type * as Effect from "effect/Effect"
import type { RunPlan } from "../../../schemas/index.ts"
import type { RenderedSample } from "../../data/causal/index.ts"
import type { DataError } from "../../data/index.ts"
import type { ModelError } from "../../models/index.ts"
import type { Baseline } from "../../output/index.ts"
import type { PeftAdapter } from "../../peft/index.ts"
import type { ResolvedPlan, ResolveError } from "../../plan/index.ts"
import type { Detecting, Suggesting } from "../../suggest/index.ts"
import type { Evaluation, Metrics } from "../../training/index.ts"
import type { Prediction } from "./answers.ts"
import type { Reported, World } from "./world.ts"

export type { Baseline } from "../../output/index.ts"

// methods, whose arguments a kind narrows to its own
/** What a plan of a kind means, without a weight and without a device. */
export interface PlanKind<Plan extends RunPlan = RunPlan, R extends ResolvedPlan = ResolvedPlan> {
  /** metrics of its evaluations in display order, including `loss` */
  readonly metrics: Metrics
  /** names of the headline metrics; methods are compared by the first */
  readonly headline: readonly [string, ...ReadonlyArray<string>]
  /**
   * Returns the baseline of `split`: the scores of answering every row alike, based on the training rows; null: the model before
   * training is what there is to compare with.
   */
  baseline(data: R["data"], split: "validation" | "test"): Baseline | null
  /** Checks the plan against files and the environment. Fails with all problems at once. */
  resolve(plan: Plan, name: string): Effect.Effect<R, ResolveError, World>
  /** Reads the headers of the model of a trained plan. */
  describe(plan: Plan): Effect.Effect<R["model"], ModelError, World>
  /** Returns the folder or file of the model on this machine. */
  baseOf(plan: Plan, model: R["model"]): string
  /** Class names in the order of the logits; empty without classes. */
  labelsOf(model: R["model"]): ReadonlyArray<string>
  /** Texts of `validate` and `train` about a plan. */
  readonly words: {
    /** the model in a few words, and its name alone */
    model(model: R["model"]): string
    modelName(model: R["model"]): string
    /** name of the model before training: "the untrained head" */
    untrained(model: R["model"]): string
    /** returns what `predict` prints before the text; absent for kinds without predictions */
    prediction?(prediction: Prediction): string
    /** what the rows of a split hold */
    rows(split: ReturnType<R["data"]["describe"]>[number]): string
    /** unit of training speed; default "tokens" */
    readonly unit?: string
    /** further lines of `validate` by their names: `weights`, `lengths` of texts, sizes of `images` */
    lines(resolved: R): { readonly weights?: string; readonly lengths?: string; readonly images?: string }
    /** `model` of `validate --json`, and what else it says of such a plan */
    json(resolved: R): { readonly model: object; readonly lengths?: object; readonly images?: object }
  }
  /** The first training row as the model will see it, where that is worth seeing. */
  sample?(resolved: R): Effect.Effect<RenderedSample, DataError>
  readonly suggesting: Suggesting<R>
  readonly detecting: Detecting
  /** What it makes of an adapter of PEFT that came without a plan; absent where PEFT has no such models. */
  readonly adopting?: Adopting
  /** The command that uses a finished run, without the program's name; `run`: its folder, as a word of a shell. */
  next(plan: Plan, run: string): string
  /** An evaluation in full, where there is more to see than a line. */
  details?(labels: ReadonlyArray<string>, evaluation: Evaluation): string
}

/** Conversion of external PEFT adapters. */
export interface Adopting {
  /**
   * Returns the sections of a plan for an adapter over the base `source`; null if the adapter is of a different kind. `evaluated`: on rows
   * that say what is right.
   */
  sections(
    adapter: PeftAdapter,
    source: string,
    evaluated: boolean
  ): Effect.Effect<{ readonly model: object; readonly data: object } | null, Reported, World>
  /** Returns sample rows for comparing a merged model with its adapter when no others are available. */
  sample(labels: ReadonlyArray<string>): ReadonlyArray<object>
}
