/**
 * The first part of a kind of run: the meaning of its plans. It imports neither weights nor tfjs, so that `validate` and pages stay small.
 */
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

// methods, so that a kind can narrow their arguments
/** Plans of a kind of run, resolved without weights or a device. */
export interface PlanKind<Plan extends RunPlan = RunPlan, R extends ResolvedPlan = ResolvedPlan> {
  /** metrics of its evaluations in display order, including `loss` */
  readonly metrics: Metrics
  /** names of the headline metrics; methods are compared by the first */
  readonly headline: readonly [string, ...ReadonlyArray<string>]
  /**
   * Returns the baseline of `split`: scores of giving every row the same answer, chosen on the training rows; null if the baseline is the
   * model before training.
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
    /** returns a short description of the model, and its name alone */
    model(model: R["model"]): string
    modelName(model: R["model"]): string
    /** returns the name of the model before training: "the untrained head" */
    untrained(model: R["model"]): string
    /** returns the text that `predict` prints before a row's text; absent for kinds without predictions */
    prediction?(prediction: Prediction): string
    /** returns a description of the rows of a split */
    rows(split: ReturnType<R["data"]["describe"]>[number]): string
    /** unit of training speed; default "tokens" */
    readonly unit?: string
    /** returns additional lines of `validate`: `weights`, `lengths` of texts, sizes of `images` */
    lines(resolved: R): { readonly weights?: string; readonly lengths?: string; readonly images?: string }
    /** returns `model` and additional fields of `validate --json` */
    json(resolved: R): { readonly model: object; readonly lengths?: object; readonly images?: object }
  }
  /** Returns the first training row as the model's input; absent for kinds without a readable one. */
  sample?(resolved: R): Effect.Effect<RenderedSample, DataError>
  readonly suggesting: Suggesting<R>
  readonly detecting: Detecting
  /** Conversion of external PEFT adapters; absent for models without a PEFT task. */
  readonly adopting?: Adopting
  /** Returns the command that uses a finished run, without the program's name; `run`: its folder, quoted for a shell. */
  next(plan: Plan, run: string): string
  /** Returns a detailed report of an evaluation; absent where one line is enough. */
  details?(labels: ReadonlyArray<string>, evaluation: Evaluation): string
}

/** Conversion of external PEFT adapters. */
export interface Adopting {
  /**
   * Returns the sections of a plan for an adapter over the base `source`; null if the adapter is of a different kind. `evaluated`: whether
   * the adapter is to be evaluated on labelled rows.
   */
  sections(
    adapter: PeftAdapter,
    source: string,
    evaluated: boolean
  ): Effect.Effect<{ readonly model: object; readonly data: object } | null, Reported, World>
  /** Returns sample rows for comparing a merged model with its adapter when no others are available. */
  sample(labels: ReadonlyArray<string>): ReadonlyArray<object>
}
