/**
 * Where measurements of tiles are kept (`kept-tiles.ts`), in Bun, Deno and Node: the user's cache folder,
 *
 *   $XDG_CACHE_HOME/tfjs-lora-pro/webgpu-tiles           ~/.cache without the variable
 */
import type * as Path from "effect/Path"
import { userFolder } from "../files/index.ts"
import { denied } from "./deno-permissions.ts"

/** Undefined where the user has no such folder, or it may not be used. */
export const tilesFolder = (path: Pick<Path.Path, "isAbsolute" | "join">): string | undefined => {
  if (denied(["env", "read", "write"]).length > 0) return undefined
  const cache = userFolder(path, "cache")
  return cache === undefined ? undefined : path.join(cache, "webgpu-tiles")
}
