/** Runs a test on an open webgpu device, which must be without errors at its end. */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { layer } from "../../../src/device/bun.ts"
import { Device } from "../../../src/device/device.ts"
import { type WebgpuEngine, webgpuEngineOf } from "../../../src/kernels/webgpu/engine.ts"

export const onWebgpu = <A>(f: (engine: WebgpuEngine) => A | Promise<A>): Promise<A> =>
  Effect.runPromise(
    Effect.gen(function* () {
      const device = yield* Device
      const value = yield* Effect.promise(async () => f(webgpuEngineOf(tf.backend())!))
      yield* device.sync
      return value
    }).pipe(Effect.provide(layer("webgpu")), Effect.scoped)
  )

/** Keeps the device open over several tests: each new device compiles every program again. */
export const holdWebgpu = () => {
  const scope = Scope.makeUnsafe()
  return {
    open: () => Effect.runPromise(Layer.buildWithScope(layer("webgpu"), scope)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
