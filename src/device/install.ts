/**
 * A device for a whole process, for programs that do not use Effect: tfjs computes there from then on. A program that opens the same
 * backend through a layer afterwards gets this one.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Device, type DeviceDescription } from "./device.ts"
import type { DeviceError } from "./device-error.ts"
import type { DeviceChoice, DeviceOptions } from "./open.ts"

type LayerOf<Options> = (choice: DeviceChoice, options?: Options) => Layer.Layer<Device, DeviceError>

/** Opens a device and never closes it. Rejects with a DeviceError, and leaves tfjs as it was. */
export type Install<Options = DeviceOptions> = (choice?: DeviceChoice, options?: Options) => Promise<DeviceDescription>

export const installer =
  <Options = DeviceOptions>(layerOf: LayerOf<Options>): Install<Options> =>
  (choice = "auto", options) =>
    Layer.buildWithScope(layerOf(choice, options), Scope.makeUnsafe()).pipe(
      Effect.map((context) => Context.get(context, Device).describe()),
      Effect.runPromise
    )
