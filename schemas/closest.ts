/**
 * The name that was probably meant: the nearest of some candidates, if it is near enough.
 *
 * Distance: insertions, deletions, replacements and swaps of neighbours (optimal string alignment, the restricted form of Damerau
 * and Levenshtein), on names without case and separators, since `learning_rate` is no typo of `learningRate` but the same word.
 * Near enough: at most a third of the longer name, one at least; or, if nothing is, the beginning of a name (`lin` of `linear`).
 */
const normalized = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "")

const shortestBeginning = 3 // shorter ones begin too many names

/** Edits that turn `a` into `b`. */
export const editDistance = (a: string, b: string): number => {
  let beforeLast: Array<number> = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let edits = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        edits = Math.min(edits, beforeLast[j - 2]! + 1)
      row.push(edits)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}

/** The candidate nearest to `name`, or undefined if none is near. The first wins among equals. */
export const closest = (name: string, candidates: ReadonlyArray<string>): string | undefined => {
  const wanted = normalized(name)
  let best: string | undefined
  let fewest = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const word = normalized(candidate)
    const longest = Math.max(wanted.length, word.length)
    const edits = editDistance(wanted, word)
    // all letters replaced is no resemblance, however short the names
    if (edits > Math.max(1, Math.floor(longest / 3)) || edits >= longest || edits >= fewest) continue
    best = candidate
    fewest = edits
  }
  return (
    best ??
    (wanted.length >= shortestBeginning ? candidates.find((one) => normalized(one).startsWith(wanted)) : undefined)
  )
}
