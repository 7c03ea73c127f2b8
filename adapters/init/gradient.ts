/** Shared by the inits from the loss's gradient: the error for a missing gradient, and its leading directions. */
import * as Effect from "effect/Effect"
import type { TruncatedSvd } from "../../src/linalg/index.ts"
import type { DeviceReadError } from "../../src/tensors/index.ts"
import type { InitSource } from "../adapter.ts"
import { type Calibration, InitError } from "./calibration.ts"
import type { Place } from "./initializer.ts"
import { type Directionless, leadingDirections } from "./leading-directions.ts"

/** Returns the `count` leading singular directions of the gradient at a layer. */
export const gradientDirections = (
  { site }: Pick<Place, "site">,
  calibration: Calibration,
  count: number,
  { calibrate, random }: Pick<InitSource, "calibrate" | "random">
): Effect.Effect<TruncatedSvd, InitError | DeviceReadError> =>
  Effect.gen(function* () {
    const gradient = yield* calibrate(site, calibration)
    const directions = yield* leadingDirections(gradient, count, random, `the gradient of ${site.name}`)
    return typeof directions === "string" ? yield* withoutGradient(site.name, calibration, directions) : directions
  })

/** Returns the error for a layer whose gradient has no directions: it is 0, or not finite. */
export const withoutGradient = (
  site: string,
  { init, batches }: Pick<Calibration, "init" | "batches">,
  nothing: Directionless
): InitError => {
  const over = `its gradient over the first ${batches} training batches`
  const reason =
    nothing === "zero"
      ? `${over} is 0 everywhere: at the start the loss does not depend on it (a head of zeros passes no gradient); set model.head to "new", exclude the site, or use init "kaiming"`
      : `${over} is not finite; check that the base model computes finite numbers, or use init "kaiming"`
  return new InitError({ site, init, reason })
}
