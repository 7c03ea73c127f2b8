/** What the reader's screen and settings say, as state. */
import { useEffect, useState } from "preact/hooks"

export const useMedia = (query: string): boolean => {
  const [matches, setMatches] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const list = matchMedia(query)
    const changed = () => setMatches(list.matches)
    changed()
    list.addEventListener("change", changed)
    return () => list.removeEventListener("change", changed)
  }, [query])
  return matches
}
