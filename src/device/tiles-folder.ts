/**
 * Where measurements of tiles are kept (`kept-tiles.ts`), in Bun, Deno and Node: the user's cache folder,
 *
 *   $XDG_CACHE_HOME/tfjs-lora-pro/webgpu-tiles           ~/.cache without the variable
 */
import process from "node:process"
import type * as Path from "effect/Path"

interface Deno {
  readonly permissions: { querySync(of: object): { readonly state: string } }
}

/** Deno asks the user, in the middle of a run, for what it was not allowed. */
export const isAllowed = (...names: ReadonlyArray<"env" | "read" | "write">): boolean => {
  const { Deno: deno } = globalThis as { readonly Deno?: Deno }
  return deno === undefined || names.every((name) => deno.permissions.querySync({ name }).state === "granted")
}

/** Undefined where the user has no such folder, or it may not be used. */
export const tilesFolder = ({ isAbsolute, join }: Pick<Path.Path, "isAbsolute" | "join">): string | undefined => {
  if (!isAllowed("env", "read", "write")) return undefined
  const { XDG_CACHE_HOME: given = "", HOME, USERPROFILE } = process.env
  const home = HOME || USERPROFILE
  // a relative one counts for nothing, says the standard
  const cache = isAbsolute(given) ? given : home ? join(home, ".cache") : undefined
  return cache === undefined ? undefined : join(cache, "tfjs-lora-pro", "webgpu-tiles")
}
