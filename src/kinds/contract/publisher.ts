/** The part of a kind of run that publishes: model cards, merged models, and forward passes for other engines. Loaded only for exports. */
import type * as Effect from "effect/Effect"
import type { RunPlan } from "../../../schemas/index.ts"
import type { Device } from "../../device/device.ts"
import type { Network } from "../../models/index.ts"
import type { CardParts, CardSource, WrittenModel } from "../../output/index.ts"
import type { ResolvedPlan, SplitSource } from "../../plan/index.ts"
import type { Trained } from "./answers.ts"
import type { Runner } from "./runner.ts"
import type { Served } from "./served.ts"
import type { Reported, World } from "./world.ts"

/** Exports a finished run for other programs. */
export interface Publisher<
  Plan extends RunPlan = RunPlan,
  R extends ResolvedPlan = ResolvedPlan,
  M extends Network = Network,
  Source extends SplitSource = SplitSource
> {
  /** Returns the name of another program that loads the adapter; null without one. */
  readerOf(plan: Plan): string | null
  /** Format that `merge` writes: a Hugging Face folder, or the model.json of a tf.LayersModel. */
  readonly mergesInto: "huggingface" | "layers-model"
  /**
   * Describes the model for other engines, until the scope closes; or states why its forward pass is not a function of a row's arrays, as
   * the end of a sentence that begins with the run's place.
   */
  readonly served: string | { of(trained: Trained<Plan, M>): Effect.Effect<Served, Reported, Device | World> }
  /** Returns the kind's part of the adapter's model card. */
  card(source: CardSource<R>): CardParts
  /** Writes the run's model with the adapter merged into it and verifies it. `splits`: opens the runner's rows; `run`: the run's folder. */
  merge(
    trained: Trained<Plan, M>,
    splits: Runner<Plan, R, M, Source>["splits"],
    run: string,
    folder: string
  ): Effect.Effect<WrittenModel, Reported, Device | World>
}
