/**
 * What differs between Bun, Deno and browsers, as a value. `bun.ts`, `deno.ts` and `browser.ts` each make one; nothing else in
 * this folder asks which runtime it is in.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DeviceError } from "./device-error.ts"

export interface WasmChoice {
  readonly threads: "auto" | number
  /** the same bits on every engine; without it, multiply-adds are fused where the engine can */
  readonly deterministic: boolean
}

export interface OpenedWasm {
  readonly threads: number
  readonly simd: boolean
  /** why there are fewer threads than asked for */
  readonly notice: string | undefined
}

export interface Runtime {
  /** name and version, e.g. "bun 1.4.5" */
  readonly name: string
  /** `navigator.gpu` or its equivalent, also put where tfjs looks for it. Fails where there is no WebGPU. */
  readonly gpu: Effect.Effect<GPU, DeviceError>
  readonly openWasm: (choice: WasmChoice) => Effect.Effect<OpenedWasm, DeviceError, Scope.Scope>
  /** bytes; 0: unknown */
  readonly peakBytes: () => number
}
