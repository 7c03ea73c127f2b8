/**
 * How a GPU's products choose their tiles (`kernels/webgpu/tile-choice.ts`): by what was measured of this adapter before, else by a
 * measurement, which is kept for next time; by a fixed rule where nothing can be measured or kept, as in a page, and where the user says
 * so. On a GPU that is emulated on a CPU no product has tiles.
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

/** The variable that says which tile products take, in place of a measurement. */
export const TILES_VARIABLE = "TFJS_LORA_PRO_TILES"

export type WantedTile = "fixed" | TileName

/** How a runtime measures, and what it keeps of it from one process to the next. A page has none of this, and does not load it. */
export interface KeptTiles {
  /** what the user wants in place of a measurement; throws a DeviceError where it is none of these */
  readonly wanted: () => WantedTile | undefined
  readonly probe: typeof probeTiles
  /** of this adapter and these programs; undefined: nothing that can be used */
  readonly read: (adapter: GPUAdapterInfo) => Promise<ProbedTiles | undefined>
  /** Is it kept? */
  readonly write: (adapter: GPUAdapterInfo, probed: ProbedTiles) => Promise<boolean>
}

interface TilePlan {
  readonly choice: TileChoice
  /** for people: how it was made */
  readonly told: string
}

interface Opened {
  readonly engine: WebgpuEngine
  readonly backend: WebgpuBackend
  readonly adapter: GPUAdapterInfo
  readonly wanted: WantedTile | undefined
  /** Has the device done all that it was asked for since the last call? */
  readonly worked: () => Promise<boolean>
}

const FIXED: TilePlan = { choice: fixedTile, told: "by a fixed rule" }

const measured = (probed: ProbedTiles, when: string): TilePlan => {
  const choice = measuredTile(probed)
  return choice === fixedTile ? FIXED : { choice, told: `as measured ${when}` }
}

const planOf = async ({ engine, backend, adapter, wanted, worked }: Opened, kept: KeptTiles): Promise<TilePlan> => {
  if (wanted === "fixed") return FIXED
  if (wanted !== undefined) return { choice: () => wanted, told: `of ${wanted} by ${TILES_VARIABLE}` }
  const before = await kept.read(adapter)
  if (before !== undefined) return measured(before, "before")
  // a device that is lost says so at its next use
  const probed = await kept.probe(engine, backend, { worked }).catch(() => undefined)
  if (probed === undefined) return FIXED
  await kept.write(adapter, probed)
  return measured(probed, "now")
}

/** Gives the engine its choice; what is to be said of it, undefined where there are no tiles. */
export const openTiles = async (opened: Opened, kept: KeptTiles | undefined): Promise<string | undefined> => {
  if (opened.engine.software) return undefined
  const { choice, told } = kept === undefined ? FIXED : await planOf(opened, kept)
  provideTiles(opened.engine, choice)
  return told
}
