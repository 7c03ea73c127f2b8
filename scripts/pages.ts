/**
 * The pages for people, and their links. In the repository a link leads to any file or folder; the npm package and the documentation site
 * have some of these, elsewhere or not at all, and both have their pages written anew by what is here.
 */
import { existsSync, readFileSync, statSync } from "node:fs"
import { dirname, join, normalize, relative } from "node:path"

export const repository = join(import.meta.dirname, "..")

/** A place in the repository: a file or folder by path, and an optional heading. */
export interface Place {
  readonly path: string
  /** heading with its `#`; "" without one */
  readonly anchor: string
}

/** Fences and code first, so that what looks like a link in them is none. A link's text may have code and one pair of brackets. */
const markup =
  /^(`{3,}|~{3,}).*\n[\s\S]*?^\1$|(!?)\[((?:[^[\]`]|`[^`]*`|\[[^\]]*\])*)\]\(([^)\s]+)\)|(`+)[^`][\s\S]*?\5/gm

/**
 * Returns a page with other link targets. `to` maps each target to another one, or to null if it has
 * no counterpart: the link's text then stays alone.
 */
export const withLinks = (markdown: string, to: (target: string) => string | null): string =>
  markdown.replace(markup, (whole, _fence, image: string | undefined, words: string, target: string | undefined) => {
    if (target === undefined) return whole
    const found = to(target)
    return found === null ? words : `${image}[${words}](${found})`
  })

/** Returns the place that a page's link leads to; undefined for a web address. */
export const placeOf = (page: string, target: string): Place | undefined => {
  if (/^[a-z][a-z\d+.-]*:/i.test(target)) return undefined
  const at = target.indexOf("#")
  const [file, anchor] = at < 0 ? [target, ""] : [target.slice(0, at), target.slice(at)]
  return { path: file === "" ? page : normalize(join(dirname(page), file)).replace(/\/$/, ""), anchor }
}

/** Returns the relative link from a page to a path. */
export const wayTo = (page: string, path: string): string => relative(dirname(page), path) || "."

export const isFolder = (path: string): boolean => statSync(join(repository, path)).isDirectory()

export const textOf = (path: string): string => readFileSync(join(repository, path), "utf8")

/** Returns the places that a page's links lead to. */
export const placesIn = (page: string): ReadonlyArray<Place> => {
  const places: Array<Place> = []
  withLinks(textOf(page), (target) => {
    const place = placeOf(page, target)
    if (place !== undefined) places.push(place)
    return target
  })
  return places
}

/** Returns the page that shows a path: the file itself, or a folder's README. */
export const pageOf = (path: string): string | undefined => {
  if (path.endsWith(".md")) return path
  const readme = join(path, "README.md")
  return existsSync(join(repository, readme)) ? readme : undefined
}

/** Returns these pages and all pages reachable from them. */
export const reachable = (pages: ReadonlyArray<string>): ReadonlySet<string> => {
  const found = new Set<string>(pages)
  // a set is walked with what is added to it on the way
  for (const page of found) {
    for (const { path } of placesIn(page)) {
      const next = pageOf(path)
      if (next !== undefined) found.add(next)
    }
  }
  return found
}
