/** What is shown while something is on its way; nothing for the first moment, so that quick answers do not flicker. */
import { useEffect, useState } from "preact/hooks"

const SOON = 250 // milliseconds

export const Loading = ({ what }: { readonly what: string }) => {
  const [isLate, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), SOON)
    return () => clearTimeout(timer)
  }, [])
  return (
    <p class="loading" role="status">
      {isLate ? `${what}: one moment …` : ""}
    </p>
  )
}
