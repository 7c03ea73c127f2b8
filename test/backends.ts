/** The two backends that every machine has, opened as the package opens them: cpu as it is, wasm with one thread and our kernels. */
import { afterAll, beforeAll, describe } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { openWasm } from "../src/device/wasm.ts"

export const backends = ["cpu", "wasm"] as const
export type BackendName = (typeof backends)[number]

/** A `describe` block in which the backend is in use; it is closed afterwards. */
export const describeOn = (backend: BackendName, tests: () => void): void =>
  describe(backend, () => {
    const scope = Scope.makeUnsafe()
    beforeAll(async () => {
      if (backend === "wasm") await Effect.runPromise(openWasm({ threads: 1 }).pipe(Scope.provide(scope)))
      else await tf.setBackend(backend)
    })
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
    tests()
  })

export const describeOnBoth = (tests: (backend: BackendName) => void): void => {
  for (const backend of backends) describeOn(backend, () => tests(backend))
}
