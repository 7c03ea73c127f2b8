/** The address of a file of a run, an export or a study, or of a folder as a ZIP file; undefined until it is known, and where there is none. */
import { useEffect, useState } from "preact/hooks"
import type { Host } from "../host.ts"
import { useStudio } from "../use.ts"

/** A new address is there before the last one ends. */
const useAddress = (addressOf: (host: Host) => Promise<string> | undefined, key: string): string | undefined => {
  const { host } = useStudio()
  const [url, setUrl] = useState<string | undefined>(undefined)
  useEffect(() => {
    setUrl(undefined)
    let isWanted = true
    const ask = () =>
      addressOf(host)?.then(
        (found) => {
          if (isWanted) setUrl(found)
        },
        () => {}
      )
    void ask()
    const timer = host.urlsLast === undefined ? undefined : setInterval(ask, host.urlsLast / 2)
    return () => {
      isWanted = false
      clearInterval(timer)
    }
  }, [host, key])
  return url
}

export const useUrl = (id: string, path: string | null): string | undefined =>
  useAddress((host) => (path === null ? undefined : host.urlOf(id, path)), `${id} ${path}`)

export const useZip = (folder: string): string | undefined => useAddress((host) => host.zipOf?.(folder), folder)
