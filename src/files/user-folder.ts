/** User folders for data outside of projects, by the XDG Base Directory Specification, on every system. */
import type * as Path from "effect/Path"
import { ownSystem } from "./own-process.ts"

const folders = {
  cache: { variable: "XDG_CACHE_HOME", fallback: [".cache"] },
  state: { variable: "XDG_STATE_HOME", fallback: [".local", "state"] }
} as const

/** Returns this package's folder of a kind, or undefined if the user has no home folder. */
export const userFolder = (
  { isAbsolute, join }: Pick<Path.Path, "isAbsolute" | "join">,
  kind: keyof typeof folders
): string | undefined => {
  const { variable, fallback } = folders[kind]
  const { [variable]: override = "", HOME, USERPROFILE } = ownSystem?.env ?? {}
  const home = HOME || USERPROFILE
  // the specification says to ignore relative paths
  const base = isAbsolute(override) ? override : home ? join(home, ...fallback) : undefined
  return base === undefined ? undefined : join(base, "tfjs-lora-pro")
}
