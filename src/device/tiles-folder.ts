/**
 * Where measurements of tiles are kept (`kept-tiles.ts`), in Bun, Deno and Node: the user's cache folder,
 *
 *   $XDG_CACHE_HOME/tfjs-lora-pro/webgpu-tiles           ~/.cache without the variable
 */
import process from "node:process"
import type * as Path from "effect/Path"
import { denied } from "./deno-permissions.ts"

/** Undefined where the user has no such folder, or it may not be used. */
export const tilesFolder = ({ isAbsolute, join }: Pick<Path.Path, "isAbsolute" | "join">): string | undefined => {
  if (denied(["env", "read", "write"]).length > 0) return undefined
  const { XDG_CACHE_HOME: given = "", HOME, USERPROFILE } = process.env
  const home = HOME || USERPROFILE
  // a relative one counts for nothing, says the standard
  const cache = isAbsolute(given) ? given : home ? join(home, ".cache") : undefined
  return cache === undefined ? undefined : join(cache, "tfjs-lora-pro", "webgpu-tiles")
}
