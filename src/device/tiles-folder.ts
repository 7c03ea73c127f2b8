/**
 * Folder of tile measurements (`kept-tiles.ts`), in Bun, Deno and Node: in the user's cache folder,
 *
 *   $XDG_CACHE_HOME/tfjs-lora-pro/webgpu-tiles           ~/.cache without the variable
 */
import type * as Path from "effect/Path"
import { userFolder } from "../files/index.ts"
import { denied } from "./deno-permissions.ts"

/** Returns the folder, or undefined if the user has no cache folder or may not use it. */
export const tilesFolder = (path: Pick<Path.Path, "isAbsolute" | "join">): string | undefined => {
  if (denied(["env", "read", "write"]).length > 0) return undefined
  const cache = userFolder(path, "cache")
  return cache === undefined ? undefined : path.join(cache, "webgpu-tiles")
}
