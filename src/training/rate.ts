/** What finds a learning rate is loaded where it is needed. */
import * as Effect from "effect/Effect"
import type { OptimizerConfig } from "../../schemas/index.ts"
import type { BatchOf, Network } from "../models/index.ts"
import { alone, Ranks } from "../ranks/index.ts"
import type { RateTested } from "./find-rate.ts"

/**
 * Finds the rate of a run that is about to begin, on the batches of its first step, of `steps`. Changes nothing. Fails with a RateNotFound where no
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
