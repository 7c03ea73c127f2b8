/**
 * A kind of run has three parts, each in its own module: `PlanKind` resolves its plans, `Runner` (with `Answers`) trains and evaluates
 * them and uses the trained models, and `Publisher` exports finished runs. The last two are loaded on demand: `validate` trains nothing,
 * and a page publishes nothing. Training, evaluation, merging, comparisons, suggestions and reports use these interfaces and no kind by
 * its name; `../index.ts` has the table of kinds.
 *
 * A family gives its kinds defaults for all three parts. A new kind is a folder in its family, its sections of a plan in `schemas/kinds/`,
 * and a line in each table.
 */
import type { RunPlan } from "../../../schemas/index.ts"
import type { ResolvedPlan } from "../../plan/index.ts"
import type { PlanKind } from "./plan-kind.ts"
import type { Publisher } from "./publisher.ts"
import type { Runner } from "./runner.ts"

export type {
  Answers,
  Asked,
  AskedField,
  ObservedWriting,
  PredictedSpan,
  Prediction,
  Trained,
  WriteOptions,
  Writing,
  WrittenText
} from "./answers.ts"
export type { Adopting, Baseline, PlanKind } from "./plan-kind.ts"
export type { Publisher } from "./publisher.ts"
export type { EvaluateOptions, Loadable, Runner } from "./runner.ts"
export type { Served, ServedFile, ServedInput } from "./served.ts"
export type { Reported, World } from "./world.ts"

/** A complete kind of run: plans, training and inference, publishing. */
export interface RunKind<Plan extends RunPlan = RunPlan, R extends ResolvedPlan = ResolvedPlan>
  extends PlanKind<Plan, R> {
  readonly runner: () => Promise<Runner>
  readonly publisher: () => Promise<Publisher>
}

/** A kind with its loaded runner. */
export interface LoadedKind extends RunKind, Runner {}
