/** A way out: its options, the export while it goes on, and what it left. */
import { useEffect, useId, useRef, useState } from "preact/hooks"
import type { CodeToUse, Exit, Exported } from "../../../protocol/index.ts"
import { Trouble } from "../../parts/asked.tsx"
import { Check, Select } from "../../parts/fields.tsx"
import { Scrolled } from "../../parts/table.tsx"
import { useStudio, useUrl, useZip } from "../../use.ts"

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

/** What an export left: its files to save, and the lines that use it. */
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

type Option = Exit["options"][number]
type Chosen = Readonly<Record<string, ReadonlyArray<string>>>

interface ChoiceProps {
  readonly option: Option
  readonly chosen: ReadonlyArray<string>
  readonly onChange: (values: ReadonlyArray<string>) => void
}

const One = ({ option, chosen, onChange }: ChoiceProps) => {
  const id = useId()
  return (
    <div class="option">
      <label for={id}>{option.name}</label>
      <p class="quiet small" id={`${id}-says`}>
        {option.says}
      </p>
      <Select
        id={id}
        aria-describedby={`${id}-says`}
        value={chosen[0]}
        choose={(value) => onChange([value])}
        options={option.values.map((value) => [value, value])}
      />
    </div>
  )
}

const Several = ({ option, chosen, onChange }: ChoiceProps) => (
  <fieldset class="option">
    <legend>{option.name}</legend>
    <p class="quiet small">{option.says}</p>
    <div class="values">
      {option.values.map((value) => (
        <Check
          key={value}
          checked={chosen.includes(value)}
          // in the order in which they are listed
          set={(is) => onChange(option.values.filter((own) => (own === value ? is : chosen.includes(own))))}
        >
          {value}
        </Check>
      ))}
    </div>
  </fieldset>
)

type Doing =
  | { readonly state: "idle" }
  | { readonly state: "goes"; readonly lines: ReadonlyArray<string> }
  | { readonly state: "done"; readonly exported: Exported }
  | { readonly state: "failed"; readonly message: string }

interface WayOutProps {
  readonly id: string
  readonly exit: Exit
  /** no other export is under way */
  readonly isFree: boolean
  readonly onBusy: (isBusy: boolean) => void
  /** It has left, to this folder. */
  readonly onDone: (folder: string) => void
  /** folders of exports that were removed since */
  readonly removed: ReadonlySet<string>
}

/** lines of its progress that stay in sight */
const SEEN = 6

export const WayOut = ({ id, exit, isFree, onBusy, onDone, removed }: WayOutProps) => {
  const { host } = useStudio()
  const [chosen, setChosen] = useState<Chosen>(() =>
    Object.fromEntries(exit.options.map(({ name, usual }) => [name, usual]))
  )
  const [doing, setDoing] = useState<Doing>({ state: "idle" })
  const stop = useRef<(() => void) | undefined>(undefined)
  useEffect(() => () => stop.current?.(), [])
  const isWhole = Object.values(chosen).every((values) => values.length > 0)
  const goes = doing.state === "goes"
  const done = doing.state === "done" && !removed.has(doing.exported.id) ? doing.exported : undefined

  const begin = () => {
    setDoing({ state: "goes", lines: [] })
    onBusy(true)
    stop.current = host.watch(
      "export",
      { id, format: exit.name, options: chosen },
      {
        event: (event) => {
          if (event.kind === "done") {
            setDoing({ state: "done", exported: event.exported })
            return onDone(event.exported.id)
          }
          setDoing((now) =>
            now.state === "goes" ? { state: "goes", lines: [...now.lines, event.text].slice(-SEEN) } : now
          )
        },
        end: (problem) => {
          onBusy(false)
          if (problem !== undefined) setDoing({ state: "failed", message: problem.message })
        }
      }
    )
  }
  const halt = () => {
    stop.current?.()
    onBusy(false)
    setDoing({ state: "idle" })
  }
  return (
    <>
      {exit.options.map((option) => {
        const Choice = option.several ? Several : One
        return (
          <Choice
            key={option.name}
            option={option}
            chosen={chosen[option.name] ?? []}
            onChange={(values) => setChosen({ ...chosen, [option.name]: values })}
          />
        )
      })}
      <p class="row">
        {goes ? (
          <button type="button" onClick={halt}>
            Stop <span class="hidden">the export as {exit.title}</span>
          </button>
        ) : (
          <button type="button" class="primary" disabled={!isWhole || !isFree} onClick={begin}>
            Export <span class="hidden">as {exit.title}</span>
          </button>
        )}
        {isWhole ? null : <span class="quiet small">Choose one of each at least.</span>}
      </p>
      <p role="status" class={goes ? "small" : "hidden"}>
        {goes ? "It is exported …" : done === undefined ? "" : `Exported: ${done.folder}`}
      </p>
      {goes && doing.lines.length > 0 ? <pre class="progress-lines">{doing.lines.join("\n")}</pre> : null}
      {doing.state === "failed" ? <Trouble problem={doing} again={begin} /> : null}
      {done === undefined ? null : <Left left={done} />}
    </>
  )
}
