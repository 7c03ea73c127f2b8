/** Paths in addresses: segments, each decoded by itself, none of which leads elsewhere. */

/** "runs/reviews%201" → ["runs", "reviews 1"]; undefined: it is no path. */
export const segmentsOf = (path: string): ReadonlyArray<string> | undefined => {
  try {
    const segments = path.split("/").map(decodeURIComponent)
    return segments.every(isName) ? segments : undefined
  } catch {
    return undefined
  }
}

/** A name of a file in its folder, on every system. */
export const isName = (segment: string): boolean =>
  segment !== "" &&
  segment !== "." &&
  segment !== ".." &&
  segment.isWellFormed() &&
  !/[/\\\p{Cc}]/u.test(segment) &&
  segment.length <= 255
