/**
 * Which tile a product takes where it is computed by tiles (`product.ts` says where, by the sizes alone). Every tile gives the same bits
 * (`product-tiles.ts`), so that this is about time and nothing else: it may be measured, and a measurement may come out otherwise each
 * time.
 *
 * A measurement (`tile-probe.ts`) is a curve for each tile: nanoseconds of a product by how many numbers C has. A product's time by a tile
 * is read from the curve at the numbers that its tiles have room for, so that a tile that is mostly outside of C is not taken. The length
 * of the inner dimension and the operands' form take part in all tiles alike, and are left out.
 */
import type { WebgpuEngine } from "./engine.ts"
import { type TileName, tileBytes, tiledArea, tileNames, tiles, tileWorkgroup } from "./product-tiles.ts"

/** Selects the tile for `matrices` matrices C [m, n]. */
export type TileChoice = (m: number, n: number, matrices: number) => TileName

/** Numbers of values of C for which tiles are timed. */
export const PROBED_AREAS = [2 ** 14, 2 ** 16, 2 ** 18, 2 ** 20, 2 ** 22] as const

/** Times of a product in ns at the first n of PROBED_AREAS, with the same n for each tile. */
export type TileTimes = Readonly<Partial<Record<TileName, ReadonlyArray<number>>>>

/** Tiles of 64 that keep a GPU busy. */
const MANY_TILES = 128

/** Selects a tile without a measurement: 64x64 if C has enough of these tiles to keep a GPU busy, else 32x32. */
export const fixedTile: TileChoice = (m, n, matrices) =>
  tiledArea("64x64", m, n, matrices) >= MANY_TILES * tiles["64x64"].down * tiles["64x64"].across ? "64x64" : "32x32"

/** By linear interpolation. Below the first area a product takes as long as there, beyond the last one as much longer as it is larger. */
const timeAt = (times: ReadonlyArray<number>, area: number): number => {
  const last = times.length - 1
  if (area <= PROBED_AREAS[0]) return times[0]!
  if (area >= PROBED_AREAS[last]!) return (times[last]! * area) / PROBED_AREAS[last]!
  const above = PROBED_AREAS.findIndex((probedArea) => probedArea > area)
  const [from, to] = [PROBED_AREAS[above - 1]!, PROBED_AREAS[above]!]
  return times[above - 1]! + ((times[above]! - times[above - 1]!) * (area - from)) / (to - from)
}

/** Shapes that are remembered; when there are more, all are forgotten. */
const MOST_SHAPES = 4096

/** Measured times of tiles. */
export interface ProbedTiles {
  readonly times: TileTimes
  /** tiles whose results differ from the first tile's, or that gave no result; not used */
  readonly refused: ReadonlyArray<TileName>
}

/** Returns a choice of the fastest tile by interpolated times; `fixedTile` if fewer than two tiles were measured. */
export const measuredTile = ({ times, refused }: ProbedTiles): TileChoice => {
  const curves = tileNames.flatMap((name) => {
    const curve = times[name]
    return curve === undefined || curve.length === 0 || refused.includes(name) ? [] : [[name, curve] as const]
  })
  if (curves.length < 2) return refused.includes("64x64") ? () => "32x32" : fixedTile
  const chosen = new Map<number, TileName>()
  return (m, n, matrices) => {
    // two shapes with one key would have one tile: no number would be another
    const key = (matrices * 2 ** 21 + m) * 2 ** 21 + n
    const known = chosen.get(key)
    if (known !== undefined) return known
    const timed = curves.map(([name, curve]) => [name, timeAt(curve, tiledArea(name, m, n, matrices))] as const)
    const [best] = timed.reduce((a, b) => (b[1] < a[1] ? b : a))
    if (chosen.size === MOST_SHAPES) chosen.clear()
    chosen.set(key, best)
    return best
  }
}

/** Returns the tiles that fit the limits of a device. */
export const possibleTiles = (limits: GPUSupportedLimits): ReadonlyArray<TileName> =>
  tileNames.filter(
    (name) =>
      tileBytes(name) <= limits.maxComputeWorkgroupStorageSize &&
      tileWorkgroup(name) <= Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX)
  )

const choices = new WeakMap<WebgpuEngine, TileChoice>()

/** Sets the choice of an engine. For devices that have a measurement. */
export const provideTiles = (engine: WebgpuEngine, choice: TileChoice): void => void choices.set(engine, choice)

/** Returns the choice of an engine; default `fixedTile`. */
export const tileChoiceOf = (engine: WebgpuEngine): TileChoice => choices.get(engine) ?? fixedTile
