/**
 * What a start may ask of the training data, site by site. Who injects answers it (`Training.observing`).
 *
 *   gradient   ∂L/∂W [out, in] of the frozen model with its head as it starts, the mean over the rows of the first batches
 *   inputs     the covariance [in, in] of the site's inputs, over the tokens (not the padding) of the first batches
 */
import type { Tensor2D } from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { DeviceReadError, LinearSite } from "../../src/tensors/index.ts"
import { StartError } from "./start-error.ts"

export interface Wanted {
  readonly what: "gradient" | "inputs"
  /** training batches to look at */
  readonly batches: number
}

/** A new tensor, which the caller disposes. */
export type Observe = (site: LinearSite, wanted: Wanted) => Effect.Effect<Tensor2D, StartError | DeviceReadError>

/** The start that asks. */
export const startThatAsks = ({ what }: Pick<Wanted, "what">): string => (what === "gradient" ? "lora-ga" : "eva")

/** For injections without data. */
export const nothingObserved: Observe = (site, wanted) =>
  Effect.fail(
    new StartError({
      site: site.name,
      init: startThatAsks(wanted),
      reason: "it looks at training data, and none was given; give inject the option observe (Training.observing)"
    })
  )
