/** Where in the studio a reader is: the address's fragment, `#/runs/reviews-1`. */
import { useEffect, useState } from "preact/hooks"

export interface ViewProps {
  /** what follows the view's name in the address: a run, a study */
  readonly path: ReadonlyArray<string>
}

/** "#/runs/runs%2Freviews-1" → ["runs", "runs/reviews-1"] */
export const placeOf = (hash: string): ReadonlyArray<string> =>
  hash
    .replace(/^#\/?/, "")
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent)

/** The address of a view, and of what it shows. */
export const addressOf = (...parts: ReadonlyArray<string>): string => `#/${parts.map(encodeURIComponent).join("/")}`

export const usePlace = (): ReadonlyArray<string> => {
  const [segments, setPlace] = useState(() => placeOf(location.hash))
  useEffect(() => {
    const changed = () => setPlace(placeOf(location.hash))
    // it may have changed before anyone listened
    changed()
    addEventListener("hashchange", changed)
    return () => removeEventListener("hashchange", changed)
  }, [])
  return segments
}

export const goTo = (...parts: ReadonlyArray<string>): void => {
  location.hash = addressOf(...parts)
}

/** For who reads by the keyboard or by ear, and whose place on the page is gone: back to the view's beginning. */
export const focusView = (): void => document.querySelector<HTMLElement>("main h1")?.focus()
