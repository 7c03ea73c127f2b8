/**
 * Backends, opened as the package opens them: cpu as it is, wasm with one thread and our kernels, which every machine has; and webgpu
 * with our kernels, where there is an adapter.
 *
 * `TEST_BACKENDS` names those that tests run on, with commas between; "native" stands for wasm with machine code in the place of its kernels. `bun run test` leaves webgpu out, whose software adapters are
 * slow; `bun run test:webgpu` runs the same files' GPU tests (scripts/test.ts).
 */
import { afterAll, beforeAll, describe } from "bun:test"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { layer } from "../src/device/bun.ts"
import { openWasm } from "../src/device/wasm.ts"

export const backends = ["cpu", "wasm"] as const
export type BackendName = (typeof backends)[number]

export type AnyBackend = BackendName | "webgpu"

const chosen: ReadonlyArray<string> = (process.env["TEST_BACKENDS"] ?? backends.join()).split(",")

/** Is webgpu chosen, and is there an adapter? Where it is not chosen, no adapter is asked for: that takes a while. */
export const webgpu = chosen.includes("webgpu")
  ? { chosen: true, ...(await import("./runtime/runtimes.ts")).webgpu }
  : { chosen: false, exists: false, hardware: false }

/** Are native kernels chosen, and has this machine any? */
const native = chosen.includes("native")
  ? { chosen: true, exists: (await import("./runtime/runtimes.ts")).hasNative }
  : { chosen: false, exists: false }

/** A `describe` block in which the backend is in use; it is closed afterwards. */
export const describeOn = (backend: AnyBackend, tests: () => void): void => {
  const onNative = backend === "wasm" && native.chosen
  if (!onNative && !chosen.includes(backend)) return
  const absent = onNative ? !native.exists : backend === "webgpu" && !webgpu.exists
  describe.skipIf(absent)(onNative ? "native" : backend, () => {
    const scope = Scope.makeUnsafe()
    beforeAll(async () => {
      if (onNative) await Effect.runPromise(Layer.buildWithScope(layer("native", { threads: 1 }), scope))
      else if (backend === "wasm") await Effect.runPromise(openWasm({ threads: 1 }).pipe(Scope.provide(scope)))
      else if (backend === "webgpu") await Effect.runPromise(Layer.buildWithScope(layer(backend), scope))
      else await tf.setBackend(backend)
    })
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
    tests()
  })
}

/** On wasm, and on native where this machine has it. */
export const describeOnEngines = (hasNative: boolean, tests: () => void): void => {
  describeOn("wasm", tests)
  if (!chosen.includes("wasm")) return
  describe.skipIf(!hasNative)("native", () => {
    const scope = Scope.makeUnsafe()
    beforeAll(() => Effect.runPromise(Layer.buildWithScope(layer("native", { threads: 1 }), scope)))
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
    tests()
  })
}

export const describeOnBoth = (tests: (backend: BackendName) => void): void => {
  for (const backend of backends) describeOn(backend, () => tests(backend))
}

export const describeOnEach = (tests: (backend: AnyBackend) => void): void => {
  for (const backend of [...backends, "webgpu"] as const) describeOn(backend, () => tests(backend))
}
