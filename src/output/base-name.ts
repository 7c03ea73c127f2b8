/** What a base model is called by those who get an adapter: they have no folder of this machine. */
import type * as Path from "effect/Path"

/** The Hub's cache: `models--owner--name/snapshots/<commit>`, and what lies in it. */
const cached = /[\\/]models--([\w.-]+?)--([\w.-]+)[\\/]snapshots[\\/][0-9a-f]{40}((?:[\\/].+)?)$/

/** "owner/name" of a model in the Hub's cache; of another its path, relative where it lies under the working directory. */
export const baseName = (path: Path.Path, base: string): string => {
  const [, owner, name, file] = cached.exec(base) ?? []
  if (owner !== undefined) return `${owner}/${name}${file?.replaceAll("\\", "/")}`
  const relative = path.relative(".", base)
  return relative.startsWith("..") ? base : relative || "."
}
