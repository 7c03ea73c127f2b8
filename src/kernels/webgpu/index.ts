/**
 * The door of this room for the device that opens a GPU: its engine, and everything that kernels run on it. A third of a page's own code
 * is this, and a page without a GPU never runs it. So kernels reach the programs through `loaded.ts`, and nothing but the webgpu device
 * imports this file.
 */
export * from "./backend.ts"
export type { WebgpuEngine } from "./engine.ts"
export { type TileName, tileNames } from "./product-tiles.ts"
export { DISPATCHES_PER_SUBMIT, type InstalledWebgpuEngine, installWebgpuEngine } from "./recorder.ts"
export { installWebgpuKernels } from "./replacements.ts"
export {
  fixedTile,
  measuredTile,
  PROBED_AREAS,
  type ProbedTiles,
  provideTiles,
  type TileChoice,
  type TileTimes
} from "./tile-choice.ts"
export { probedPrograms, probeTiles } from "./tile-probe.ts"
