/**
 * Calibration: what an init needs of the training data, layer by layer. The caller of `inject` provides it (`Training.calibrating`).
 *
 *   gradient   ∂L/∂W [out, in] of the frozen model with its head at step 0, the mean over the rows of the first batches
 *   inputs     the covariance [in, in] of the layer's inputs, over the tokens (without padding) of the first batches
 */
import type { Tensor2D } from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { DeviceReadError, LinearSite } from "../../src/tensors/index.ts"

/** Error of a layer whose factors cannot be initialized as in `adapter.init`. */
export class InitError extends Schema.TaggedError<InitError>()("InitError", {
  /** name of the layer */
  site: Schema.String,
  /** `adapter.init.kind` of the plan */
  init: Schema.String,
  /** problem and remedy, as the end of a sentence */
  reason: Schema.String
}) {
  override get message() {
    return `adapter.init "${this.init}" cannot initialize ${this.site}: ${this.reason}`
  }
}

/** A request of an init for training data: the gradient of W, or the covariance of the layer's inputs. */
export interface Calibration {
  /** tag of the init */
  readonly init: string
  /** the gradient of W [out, in], or the layer's inputs [tokens, in] */
  readonly what: "gradient" | "inputs"
  /** number of training batches */
  readonly batches: number
  /** whether the layer will request the same again: the result may be kept until then if all of them fit */
  readonly again?: boolean
}

/** Returns the requested data as a new tensor, which the caller disposes. */
export type Calibrate = (
  site: LinearSite,
  calibration: Calibration
) => Effect.Effect<Tensor2D, InitError | DeviceReadError>

/** Calibration of injections without data: fails. */
export const noCalibration: Calibrate = (site, { init }) =>
  Effect.fail(
    new InitError({
      site: site.name,
      init,
      reason: "it needs training data; pass the option calibrate (Training.calibrating) to inject"
    })
  )
