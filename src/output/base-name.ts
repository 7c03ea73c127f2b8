/** Names of base models for readers of an adapter, who do not have this machine's folders. */
import type * as Path from "effect/Path"

/** Paths in the Hub's cache: `models--owner--name/snapshots/<commit>` and below. */
const cached = /[\\/]models--([\w.-]+?)--([\w.-]+)[\\/]snapshots[\\/][0-9a-f]{40}((?:[\\/].+)?)$/

/** Returns "owner/name" for a model in the Hub's cache; otherwise its path, relative if it is under the working directory. */
export const baseName = (path: Path.Path, base: string): string => {
  const [, owner, name, file] = cached.exec(base) ?? []
  if (owner !== undefined) return `${owner}/${name}${file?.replaceAll("\\", "/")}`
  const relative = path.relative(".", base)
  return relative.startsWith("..") ? base : relative || "."
}

/** Returns "owner/name" of a Hub model (an address `hf:owner/name@revision`, or in the Hub's cache); undefined: it is local. */
export const hubNameOf = (base: string): string | undefined => {
  const [, address] = /^hf:([\w.-]+\/[\w.-]+)(?=[@/]|$)/.exec(base) ?? []
  if (address !== undefined) return address
  const [, owner, name] = cached.exec(base) ?? []
  return owner === undefined ? undefined : `${owner}/${name}`
}
