/** The door of this room for the devices that open a wasm backend. */
export { heapOf } from "../native/heap.ts"
export { libraryFile, openLibrary } from "../native/library.ts"
export { disagreement } from "../native/probe.ts"
export { memoryOf, type WasmBackend, type WasmModule, wasmBackend } from "./backend.ts"
export { kernelModuleFor } from "./binary.ts"
export { installWasmKernels } from "./replacements.ts"
export { installWasmEngine, type StartPool, startEngine, workerScript } from "./threads.ts"
export type { WorkerStart } from "./worker.ts"
