/** The part of a kind of run that trains and evaluates. It is loaded, with tfjs, only when a plan is trained or a model is used. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Adapted } from "../../../adapters/index.ts"
import type { RunPlan } from "../../../schemas/index.ts"
import type { BatchPosition, DataError } from "../../data/index.ts"
import type { Device } from "../../device/device.ts"
import type { DeviceError } from "../../device/index.ts"
import type { Files } from "../../files/index.ts"
import type { BatchOf, ModelError, Network } from "../../models/index.ts"
import type { Started } from "../../output/peft/start-from.ts"
import type { PeftAdapter } from "../../peft/index.ts"
import type { ResolvedPlan, SplitSource, Splits } from "../../plan/index.ts"
import type { RankError } from "../../ranks/index.ts"
import type { DeviceReadError } from "../../tensors/index.ts"
import type { ClassedRow, Evaluation, Loss, Mistakes, RowScores } from "../../training/index.ts"
import type { Answers } from "./answers.ts"
import type { Reported, World } from "./world.ts"

export interface EvaluateOptions {
  /** number of rows to evaluate, from the beginning; default: all */
  readonly rows?: number | undefined
  /** collects misclassified rows */
  readonly mistakes?: Mistakes | undefined
  /** called with the rows of each batch, where rows have one class each */
  readonly classed?: ((rows: ReadonlyArray<ClassedRow>) => void) | undefined
  /** called at the end with each metric as a function of the rows */
  readonly scored?: ((scores: RowScores) => void) | undefined
  /** called with the number of evaluated rows */
  readonly done: (rows: number) => Effect.Effect<void>
}

/** The parts of a resolved plan that are needed to load its model. */
export type Loadable<R extends ResolvedPlan = ResolvedPlan> = Pick<R, "plan" | "selected" | "model">

/** Trains plans of a kind and uses the trained models. */
export interface Runner<
  Plan extends RunPlan = RunPlan,
  R extends ResolvedPlan = ResolvedPlan,
  M extends Network = Network,
  Source extends SplitSource = SplitSource
> extends Answers<Plan, M, Source> {
  loss(model: M, resolved: R): Loss<M>
  /** Loads the frozen model on the device, until the scope closes. */
  load(resolved: Loadable<R>): Effect.Effect<M, ModelError, World>
  /** Returns an endless iterator of the plan's batches from `start` on; the same on every rank. */
  batches(
    model: M,
    resolved: R,
    start: BatchPosition
  ): Stream.Stream<BatchOf<M>, DataError | DeviceReadError | RankError, Device>
  /** Opens the rows of a trained plan again, or those of `file` with the plan's columns as the split "train". */
  splits(adapted: Adapted<M>, plan: Plan, file?: string): Effect.Effect<Splits<Source>, DataError | ModelError, World>
  /** Returns loss and scores on the rows of a split, each evaluated once; the same on every rank, among which the rows are divided. */
  evaluate(
    adapted: Adapted<M>,
    plan: Plan,
    source: Source,
    options: EvaluateOptions
  ): Effect.Effect<Evaluation, DataError | DeviceReadError | DeviceError | RankError, Device>
  /** Sets values such as thresholds from rows after training: called on every rank with the state to save, before the final evaluations. */
  settle?(adapted: Adapted<M>, resolved: R): Effect.Effect<void, DataError | DeviceReadError | RankError, Device>
  /** Collects misclassified rows of a split, at most `limit`; absent for kinds without classes. */
  keepMistakes?(source: Source, limit: number): Mistakes
  /** Writes the adapter to a folder. */
  save(adapted: Adapted<M>, resolved: R, folder: string): Effect.Effect<void, Reported, Files>
  /** Loads the adapter of a folder into `adapted`. */
  restore(adapted: Adapted<M>, plan: Plan, folder: string): Effect.Effect<void, Reported, Files>
  /** Starts from an external PEFT adapter, whose head may differ; absent for models without a PEFT task. */
  begin?(adapted: Adapted<M>, source: PeftAdapter): Effect.Effect<Started, Reported, World>
  /**
   * Returns whether the model at the beginning of training is needed as a reference: a resumed or evaluated run then loads `adapter.from`
   * again before its own parameters. Absent: never.
   */
  asksBeginning?(plan: Plan): boolean
}
