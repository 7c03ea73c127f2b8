/** What a reader saves: files of a run or an export by their links, and texts that the page has. */
import { byteSize } from "../../../boundary/index.ts"
import type { FileOfRun } from "../../protocol/index.ts"
import { useUrl } from "../use.ts"
import { ColumnHeaders, TableRows } from "./table.tsx"

/** The path alone until its address is known. */
const FileLink = ({ id, path }: { readonly id: string; readonly path: string }) => {
  const url = useUrl(id, path)
  return url === undefined ? (
    <span>{path}</span>
  ) : (
    <a href={url} download={path.split("/").at(-1)!}>
      {path}
    </a>
  )
}

interface FileTableProps {
  /** of the run or the export where the files can be saved */
  readonly id?: string
  readonly files: ReadonlyArray<FileOfRun>
  readonly of: string
}

/** Paths and sizes; each path is a link where its file can be saved. */
export const FileTable = ({ id, files, of }: FileTableProps) => (
  <table class="file-table">
    <caption class="hidden">Files of {of}</caption>
    <ColumnHeaders class="hidden" names={["File", "Size"]} />
    <TableRows
      rows={files.map(({ path, bytes }) => [
        id === undefined ? path : <FileLink id={id} path={path} />,
        byteSize(bytes)
      ])}
      classOf={(column) => (column === 1 ? "number" : undefined)}
    />
  </table>
)

/** What the page has, as a file of the reader's. */
export const saveText = (name: string, text: string): void => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }))
  const link = document.createElement("a")
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
