/**
 * tfjs-lora-pro in a browser page: `tfjs-lora-pro/browser`, which imports nothing of Node, Bun or Deno.
 *
 * The names are those of the package itself. What differs: files are in memory (`memoryFiles`, `fetchFiles`), `train`
 * leaves an adapter there and no run folder, and `layer` opens the page's devices. `adapt` and what goes with it are
 * those of `tfjs-lora-pro/layers`: adapters over a `tf.LayersModel`, saved to `indexeddb://`, `downloads://` or as
 * `files()`.
 *
 * @example
 * import { Effect } from "effect"
 * import { fetchFiles, layer, memoryFiles, readPlan, resolve, train } from "tfjs-lora-pro/browser"
 *
 * const program = Effect.gen(function* () {
 *   const names = ["plans/movies.json", "models/minilm/config.json"] // and all else that the plan reads
 *   const files = memoryFiles(yield* fetchFiles("/examples/", names))
 *   return yield* Effect.gen(function* () {
 *     const { plan, name } = yield* readPlan("plans/movies.json")
 *     const { steps } = yield* train(yield* resolve(plan, name))
 *     return steps
 *   }).pipe(Effect.scoped, Effect.provide(files.layer), Effect.provide(layer("webgpu")))
 * })
 */
export { full, inject, lora } from "../adapters/index.ts"
export { PlanError } from "../schemas/index.ts"
export { type LimitName, limits, setLimits } from "./boundary/index.ts"
export * as Dataset from "./data/index.ts"
export { FetchError, fetchFiles, type MemoryFiles, memoryFiles } from "./data/index.ts"
export { auto, type BrowserDeviceOptions, type DeviceChoice, DeviceError, install, layer } from "./device/browser.ts"
export { Device, type DeviceDescription, type DeviceShape } from "./device/device.ts"
export { Hub, HubError, type HubShape } from "./hub/hub.ts"
export { loadKind, resolve } from "./kinds/index.ts"
export * from "./layers-model/index.ts"
export * as Models from "./models/index.ts"
export * from "./optimizers/index.ts"
export * as Output from "./output/adapter-folder.ts"
export { injectPlan, planFromValue, type ResolvedPlan, readPlan } from "./plan/index.ts"
export { type Listener, Progress, type ProgressEvent } from "./run/progress.ts"
export {
  type TrainedInMemory,
  type TrainInMemoryOptions,
  trainInMemory as train
} from "./run/train-in-memory.ts"
export * as Training from "./training/index.ts"
