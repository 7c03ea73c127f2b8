/**
 * Chooses the tiles of a GPU's matrix products (`kernels/webgpu/tile-choice.ts`): by an earlier measurement of this adapter, else by a
 * new measurement, which is stored for next time; by a fixed rule if neither is possible, as in a page, or if the user sets it.
 * On a GPU that is emulated on a CPU, products use no tiles.
 */
import {
  fixedTile,
  measuredTile,
  type ProbedTiles,
  type probeTiles,
  provideTiles,
  type TileChoice,
  type TileName,
  type WebgpuBackend,
  type WebgpuEngine
} from "../kernels/webgpu/index.ts"

/** Environment variable that sets the tile of products instead of a measurement. */
export const TILES_VARIABLE = "TFJS_LORA_PRO_TILES"

/** Tile of products: a fixed rule, or one tile for all. */
export type WantedTile = "fixed" | TileName

/** Measurement of tiles in a runtime, and its storage between processes. Pages have neither, and do not load the code. */
export interface TileStore {
  /** Returns the user's setting, which replaces a measurement. Throws a DeviceError for an invalid one. */
  readonly wanted: () => WantedTile | undefined
  readonly probe: typeof probeTiles
  /** Returns the measurement of this adapter and these programs; undefined: none is usable. */
  readonly read: (adapter: GPUAdapterInfo) => Promise<ProbedTiles | undefined>
  /** Stores a measurement. Resolves to whether it was stored. */
  readonly write: (adapter: GPUAdapterInfo, probed: ProbedTiles) => Promise<boolean>
}

interface TilePlan {
  readonly choice: TileChoice
  /** description of how it was chosen, for people */
  readonly description: string
}

interface Opened {
  readonly engine: WebgpuEngine
  readonly backend: WebgpuBackend
  readonly adapter: GPUAdapterInfo
  readonly wanted: WantedTile | undefined
  /** Resolves to whether the device has completed all work submitted since the last call. */
  readonly worked: () => Promise<boolean>
}

const FIXED: TilePlan = { choice: fixedTile, description: "by a fixed rule" }

const measured = (probed: ProbedTiles, when: string): TilePlan => {
  const choice = measuredTile(probed)
  return choice === fixedTile ? FIXED : { choice, description: `as measured ${when}` }
}

const planOf = async ({ engine, backend, adapter, wanted, worked }: Opened, store: TileStore): Promise<TilePlan> => {
  if (wanted === "fixed") return FIXED
  if (wanted !== undefined) return { choice: () => wanted, description: `of ${wanted} by ${TILES_VARIABLE}` }
  const before = await store.read(adapter)
  if (before !== undefined) return measured(before, "before")
  // a lost device is reported at its next use
  const probed = await store.probe(engine, backend, { worked }).catch(() => undefined)
  if (probed === undefined) return FIXED
  await store.write(adapter, probed)
  return measured(probed, "now")
}

/** Passes the choice to the engine. Returns its description, or undefined if products use no tiles. */
export const openTiles = async (opened: Opened, store: TileStore | undefined): Promise<string | undefined> => {
  if (opened.engine.software) return undefined
  const { choice, description } = store === undefined ? FIXED : await planOf(opened, store)
  provideTiles(opened.engine, choice)
  return description
}
