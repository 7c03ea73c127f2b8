/** Which Node is too old: what an older one lacks would be missed in the middle of a run, and not by its name. */
import ownPackage from "../../package.json" with { type: "json" }

/** The first version, as in ">=22.19.0". */
const needed = ownPackage.engines.node.replace(">=", "")

const numbers = (version: string): ReadonlyArray<number> => version.split(".").map(Number)

/**
 * What to say to whoever runs this in a Node that is too old; undefined elsewhere. Bun and Deno give the version of Node that they
 * are compatible with.
 */
export const tooOldNode = (version: string): string | undefined => {
  const [major, minor] = numbers(version) as [number, number]
  const [leastMajor, leastMinor] = numbers(needed) as [number, number]
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
    ? undefined
    : `tfjs-lora-pro needs Node ${needed} or later, Bun or Deno; found Node ${version}. In Bun: bunx --bun tfjs-lora-pro`
}
