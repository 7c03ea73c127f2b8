/** Loads the search for a learning rate on demand. */
import * as Effect from "effect/Effect"
import type { OptimizerConfig } from "../../schemas/index.ts"
import type { BatchOf, Network } from "../models/index.ts"
import { alone, Ranks } from "../ranks/index.ts"
import type { RateTested } from "./find-rate.ts"

/**
 * Finds the learning rate of a run of `steps` steps on the batches of its first step. Changes nothing. Fails with a RateNotFound if no
 * rate lowers the loss. The same parameters, batches and device give the same rate.
 */
export const findRate = <M extends Network>(
  tested: RateTested<M>,
  config: OptimizerConfig,
  batches: ReadonlyArray<BatchOf<M>>,
  steps: number
) =>
  Effect.flatMap(
    Effect.promise(() => import("./find-rate.ts")),
    // every rank finds it by itself, and all the same
    ({ search }) => search(tested, config, batches, steps).pipe(Effect.provideService(Ranks, alone))
  )
