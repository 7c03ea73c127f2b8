/** Trains the tiny run in a page, on the device of the address (`?device=webgpu`), by every method. */
import * as Effect from "effect/Effect"
import { type DeviceChoice, layer } from "../../src/browser.ts"
import { lossesOf, type MethodName, methods } from "../runtime/tiny-run.ts"

const choice = (new URLSearchParams(location.search).get("device") ?? "auto") as DeviceChoice

const program = Effect.gen(function* () {
  const losses: Record<string, ReadonlyArray<number>> = {}
  for (const method of Object.keys(methods) as Array<MethodName>) losses[method] = yield* lossesOf(method)
  return losses
}).pipe(Effect.provide(layer(choice, { wasmFolder: "wasm/" })))

/** The losses by method, or what went wrong. */
const outcome = Effect.runPromise(program).then(
  (losses) => ({ losses }),
  (cause: unknown) => ({ problem: cause instanceof Error ? cause.message : String(cause) })
)
Object.assign(globalThis, { outcome })
