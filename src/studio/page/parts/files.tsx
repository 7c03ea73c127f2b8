/** Files of a run or an export: their sizes, and links to save them. */
import { useUrl } from "../use.ts"

/** "812 B", "41 kB", "2.3 MB", "1.5 GB" */
export const sizeOf = (bytes: number): string => {
  if (bytes < 1e6) return bytes < 1e3 ? `${bytes} B` : `${Math.round(bytes / 1e3)} kB`
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`
}

/** The path alone until its address is known. */
export const FileLink = ({ id, path }: { readonly id: string; readonly path: string }) => {
  const url = useUrl(id, path)
  return url === undefined ? (
    <span>{path}</span>
  ) : (
    <a href={url} download={path.split("/").at(-1)!}>
      {path}
    </a>
  )
}
