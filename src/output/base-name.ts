/** What a base model is called for readers of an adapter, who have no folder of this machine. */
import type * as Path from "effect/Path"

/** The Hub's cache: `models--owner--name/snapshots/<commit>`, and what is in it. */
const cached = /[\\/]models--([\w.-]+?)--([\w.-]+)[\\/]snapshots[\\/][0-9a-f]{40}((?:[\\/].+)?)$/

/** "owner/name" of a model in the Hub's cache; of another its path, relative where it lies under the working directory. */
export const baseName = (path: Path.Path, base: string): string => {
  const [, owner, name, file] = cached.exec(base) ?? []
  if (owner !== undefined) return `${owner}/${name}${file?.replaceAll("\\", "/")}`
  const relative = path.relative(".", base)
  return relative.startsWith("..") ? base : relative || "."
}

/** "owner/name" of a base that is the Hub's: an address `hf:owner/name@revision`, or a model in its cache; undefined: it is known here alone. */
export const hubNameOf = (base: string): string | undefined => {
  const [, address] = /^hf:([\w.-]+\/[\w.-]+)(?=[@/]|$)/.exec(base) ?? []
  if (address !== undefined) return address
  const [, owner, name] = cached.exec(base) ?? []
  return owner === undefined ? undefined : `${owner}/${name}`
}
