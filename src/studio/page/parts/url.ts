/** The address of a file of a run, an export or a study; undefined until it is known, and where there is none. */
import { useEffect, useState } from "preact/hooks"
import { useStudio } from "../use.ts"

export const useUrl = (id: string, path: string | null): string | undefined => {
  const { host } = useStudio()
  const [url, setUrl] = useState<string | undefined>(undefined)
  useEffect(() => {
    setUrl(undefined)
    if (path === null) return
    let isWanted = true
    host.urlOf(id, path).then(
      (found) => {
        if (isWanted) setUrl(found)
      },
      () => {}
    )
    return () => {
      isWanted = false
    }
  }, [host, id, path])
  return url
}
