/**
 * Collects Bun's garbage while the wasm memory is large. Bun counts that memory as part of its own heap and waits for garbage in proportion
 * to it, and tfjs keeps records of every operation: a step of SmolLM2 leaves 22 MB of small objects, which came to hundreds before they
 * were collected. V8 tells the two apart.
 */
import type { WasmBackend } from "./wasm-backend.ts"

/** Bytes. Below it Bun collects soon enough. */
const LARGE = 2 ** 30
/** Outputs of kernels between two collections: of SmolLM2 some three steps. */
const EVERY = 8_000

interface Runtime {
  readonly Bun?: { readonly gc: (now: boolean) => void }
}

/** From here on, for as long as the backend lives. */
export const collectGarbage = (backend: WasmBackend, memory: WebAssembly.Memory): void => {
  const { Bun: runtime } = globalThis as Runtime
  if (runtime === undefined) return
  const makeOutput = backend.makeOutput.bind(backend)
  let made = 0
  backend.makeOutput = (...output) => {
    made++
    if (made >= EVERY) {
      made = 0
      if (memory.buffer.byteLength >= LARGE) runtime.gc(true)
    }
    return makeOutput(...output)
  }
}
