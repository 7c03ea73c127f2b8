/**
 * Which sites a plan means: patterns over site names, as in `encoder.layer.*.attention.**`.
 *
 *   `*`   exactly one segment (or part of one: `*_lin`)      `**`  any number of segments, also none
 *   a name without a dot means any site that ends in that segment, as in PEFT's target lists: `query`
 *
 * Every pattern must match something. Elsewhere a typo trains fewer layers than meant, silently (peft#3582); here it is an
 * error that names the nearest sites, and every bad pattern is told at once.
 */

import type { SitePattern } from "../schemas/index.ts"
import { closest } from "../schemas/index.ts"

const escapeRegExp = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&")

const segmentExpression = (segment: string): string => segment.split("*").map(escapeRegExp).join("[^.]*")

/** The regular expression of a dotted glob. `**` takes a neighbouring dot along, so that it may also stand for nothing. */
const expressionOf = (pattern: SitePattern): RegExp => {
  const written = pattern.includes(".") || pattern === "**" ? pattern.split(".") : ["**", pattern]
  // two `**` in a row mean no more than one
  const segments = written.filter((segment, i) => segment !== "**" || written[i - 1] !== "**")
  if (segments.length === 1 && segments[0] === "**") return /^.+$/
  const source = segments.reduce((before, segment, i) => {
    const first = i === 0
    if (segment === "**") return first ? "(?:[^.]+\\.)*" : `${before}(?:\\.[^.]+)*`
    const dot = first || (i === 1 && segments[0] === "**") ? "" : "\\."
    return before + dot + segmentExpression(segment)
  }, "")
  return new RegExp(`^${source}$`)
}

/** Does a pattern mean this name? The checkpoint's own prefix (`bert.`) may be written or left out. */
export const matches = (pattern: SitePattern, name: string, prefix: string): boolean => {
  const expression = expressionOf(pattern)
  return expression.test(name) || (prefix !== "" && expression.test(prefix + name))
}

/** A sentence per pattern that matches none of `names`. `where` is the pattern's path in the plan. */
export const unmatched = (
  patterns: ReadonlyArray<SitePattern>,
  names: ReadonlyArray<string>,
  prefix: string,
  where: string,
  kind: string
): ReadonlyArray<{ readonly path: string; readonly message: string }> =>
  patterns.flatMap((pattern, i) =>
    names.some((name) => matches(pattern, name, prefix))
      ? []
      : [
          {
            path: `${where}.${i}`,
            message: `found ${JSON.stringify(pattern)}, which matches no ${kind} of the model; nearest: ${nearest(pattern, names)}`
          }
        ]
  )

const nearest = (pattern: SitePattern, names: ReadonlyArray<string>): string => {
  const last = (name: string) => name.slice(name.lastIndexOf(".") + 1)
  const segment = closest(last(pattern), [...new Set(names.map(last))])
  const candidates = segment === undefined ? names : names.filter((name) => last(name) === segment)
  const shown = candidates.slice(0, 3).join(", ")
  return candidates.length > 3 ? `${shown}, … (${candidates.length})` : shown
}
