/**
 * Calibration: what an init may ask of the training data, site by site. The caller of `inject` answers it (`Training.calibrating`).
 *
 *   gradient   ∂L/∂W [out, in] of the frozen model with its head at step 0, the mean over the rows of the first batches
 *   inputs     the covariance [in, in] of the site's inputs, over the tokens (not the padding) of the first batches
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DeviceReadError, LinearSite } from "../../src/tensors/index.ts"

/** A site whose factors cannot be initialized as `adapter.init` says. */
export class InitError extends Schema.TaggedError<InitError>()("InitError", {
  /** the layer's name */
  site: Schema.String,
  /** `adapter.init.kind` of the plan */
  init: Schema.String,
  /** what is wrong and what to change, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `adapter.init "${this.init}" cannot initialize ${this.site}: ${this.reason}`
  }
}

/** What an init asks of the first training batches: the gradient of W, or the inputs of the layer. */
export interface Calibration {
  /** the init that asks, by its tag */
  readonly init: string
  /** the gradient of W [out, in] of each batch, or the layer's inputs [tokens, in] */
  readonly what: "gradient" | "inputs"
  /** how many training batches it takes */
  readonly batches: number
  /** the site will ask for the same once more: it may be held until then, where all that sites ask for fits */
  readonly again?: boolean
}

/** A new tensor, which the caller disposes. */
export type Calibrate = (
  site: LinearSite,
  calibration: Calibration
) => Effect.Effect<Tensor2D, InitError | DeviceReadError>

/** For injections without data. */
export const noCalibration: Calibrate = (site, { init }) =>
  Effect.fail(
    new InitError({
      site: site.name,
      init,
      reason: "it looks at training data, and none was given; give inject the option calibrate (Training.calibrating)"
    })
  )
