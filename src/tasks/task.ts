/**
 * What differs between the kinds of plans once they run: the model, its batches, its loss, how it is scored, how its adapter is stored.
 * The story (`train.ts`) and what uses a finished run know nothing else of a kind. One file for each; `index.ts` is the table.
 */
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import type { BatchPosition, DataError } from "../data/index.ts"
import type { Device } from "../device/device.ts"
import type { BatchOf, ModelError, Network } from "../models/index.ts"
import type { ResolvedPlan } from "../plan/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import type { Evaluation, Loss, Mistakes } from "../training/index.ts"

type Files = FileSystem.FileSystem | Path.Path

/** A failure whose message says all that a user needs. */
export interface Told {
  readonly _tag: string
  readonly message: string
}

export interface EvaluateOptions {
  /** the first so many rows; all unless given */
  readonly rows?: number | undefined
  /** where the rows that come out wrong are kept */
  readonly mistakes?: Mistakes | undefined
  /** hears how many rows are done */
  readonly done: (rows: number) => Effect.Effect<void>
}

/** A text of a user and what the model says of it. */
export interface Prediction {
  readonly text: string
  readonly label: string
  /** label → logit */
  readonly logits: Readonly<Record<string, number>>
}

export interface Splits<Source> {
  readonly train: Source
  readonly validation?: Source
  readonly test?: Source
}

/** A part of the data. */
export interface SplitSource {
  readonly rows: number
  readonly where: string
}

/** What of a resolved plan a model is loaded by. */
export type Loadable<R extends ResolvedPlan> = Pick<R, "plan" | "selected" | "model">

// methods, whose arguments a kind narrows to its own
export interface Task<
  Plan extends RunPlan = RunPlan,
  R extends ResolvedPlan = ResolvedPlan,
  M extends Network = Network,
  Source extends SplitSource = SplitSource
> {
  loss(model: M): Loss<M>
  /** The model on the device, frozen, for as long as the scope. */
  load(resolved: Loadable<R>): Effect.Effect<M, ModelError, Files | Scope.Scope>
  /** The plan's batches from `start` on, without end. */
  batches(model: M, resolved: R, start: BatchPosition): Stream.Stream<BatchOf<M>, DataError, Device>
  /** The rows of a trained plan once more, or those of another file with its columns, which are called "train". */
  splits(
    adapted: Adapted<M>,
    plan: Plan,
    file?: string
  ): Effect.Effect<Splits<Source>, DataError | ModelError, Files | Scope.Scope>
  /** Loss and scores on rows of a split, each once. */
  evaluate(
    adapted: Adapted<M>,
    plan: Plan,
    source: Source,
    options: EvaluateOptions
  ): Effect.Effect<Evaluation, DataError | DeviceReadError, Device>
  /** What the model says of users' texts. */
  predict(
    adapted: Adapted<M>,
    plan: Plan,
    texts: ReadonlyArray<string>
  ): Effect.Effect<ReadonlyArray<Prediction>, Told, Device>
  /** Writes what was trained into a folder. */
  save(adapted: Adapted<M>, resolved: R, folder: string): Effect.Effect<void, Told, Files>
  /** Puts what a folder holds in the place of what `adapted` started with. */
  restore(adapted: Adapted<M>, plan: Plan, folder: string): Effect.Effect<void, Told, Files>
}
