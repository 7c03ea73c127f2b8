/** What an export left: its files to save, and the lines that use it. */
import { useState } from "preact/hooks"
import type { CodeToUse, Exported } from "../../../protocol/index.ts"
import { Scrolled } from "../../parts/table.tsx"
import { useUrl, useZip } from "../../use.ts"

const sizeOf = (bytes: number): string =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

const FileLink = ({ id, path, bytes }: { readonly id: string; readonly path: string; readonly bytes: number }) => {
  const url = useUrl(id, path)
  const name = path.split("/").at(-1)!
  return (
    <tr>
      <td>
        {url === undefined ? (
          path
        ) : (
          <a href={url} download={name}>
            {path}
          </a>
        )}
      </td>
      <td class="number">{sizeOf(bytes)}</td>
    </tr>
  )
}

const Use = ({ use: { title, code } }: { readonly use: CodeToUse }) => {
  const [isCopied, setCopied] = useState(false)
  const copy = () =>
    navigator.clipboard.writeText(code).then(
      () => setCopied(true),
      () => {}
    )
  return (
    <section class="use" aria-label={title}>
      <div class="row">
        <p>{title}</p>
        <button type="button" onClick={copy}>
          Copy
        </button>
        <span role="status" class="quiet small">
          {isCopied ? "Copied" : ""}
        </span>
      </div>
      <Scrolled label={`Code: ${title}`}>
        <pre>{code}</pre>
      </Scrolled>
    </section>
  )
}

/** All files at once, where the host makes one of them. */
const AllFiles = ({ folder }: { readonly folder: string }) => {
  const url = useZip(folder)
  return url === undefined ? null : (
    <p>
      <a class="button" href={url} download={`${folder.split("/").at(-1)}.zip`}>
        Save all as a ZIP file
      </a>
    </p>
  )
}

export const Left = ({ left: { folder, id, files, lines, uses } }: { readonly left: Exported }) => (
  <div class="left">
    {lines.map((line) => (
      <p key={line}>{line}</p>
    ))}
    <p class="small">
      In <code>{folder}</code>
    </p>
    <table class="files-left">
      <caption class="hidden">Files of {folder}</caption>
      <thead class="hidden">
        <tr>
          <th scope="col">File</th>
          <th scope="col">Size</th>
        </tr>
      </thead>
      <tbody>
        {files.map(({ path, bytes }) => (
          <FileLink key={path} id={id} path={path} bytes={bytes} />
        ))}
      </tbody>
    </table>
    <AllFiles folder={folder} />
    {uses.length === 0 ? null : (
      <details>
        <summary>Code that uses it</summary>
        {uses.map((use) => (
          <Use key={use.title + use.language} use={use} />
        ))}
      </details>
    )}
  </div>
)
