/** Links that save files of a run or an export. */
import { useUrl } from "../use.ts"

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
