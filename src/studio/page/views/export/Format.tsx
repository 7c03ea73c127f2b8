/** An export format: its options, an export in progress, and the files that it wrote with the code that uses them. */
import { useState } from "preact/hooks"
import { capital } from "../../../../boundary/index.ts"
import type { CodeToUse, Exit, Exported } from "../../../protocol/index.ts"
import { Check, Field, Select } from "../../parts/fields.tsx"
import { FileTable } from "../../parts/files.tsx"
import { Status, Trouble } from "../../parts/loading.tsx"
import { Scrolled } from "../../parts/table.tsx"
import { useZip } from "../../use.ts"
import { ProgressLines, useWork } from "./work.tsx"

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
        <p>{title}:</p>
        <button type="button" onClick={copy}>
          {isCopied ? "Copied" : "Copy"}
          <span class="hidden"> the code: {title}</span>
        </button>
      </div>
      <Scrolled label={`Code: ${title}`}>
        <pre>{code}</pre>
      </Scrolled>
      <Status>{isCopied ? "Copied" : ""}</Status>
    </section>
  )
}

/** A link to all files as one ZIP file, on hosts that make one. */
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

/** The files of an export to save, and the code that uses them. */
export const ExportedFiles = ({ exported: { folder, id, files, lines, uses } }: { readonly exported: Exported }) => (
  <div class="left">
    {lines.map((line) => (
      <p key={line}>{line}</p>
    ))}
    {uses.map((use) => (
      <Use key={use.title + use.language} use={use} />
    ))}
    <p class="small">
      In <code>{folder}</code>
    </p>
    <FileTable id={id} files={files} of={folder} />
    <AllFiles folder={folder} />
  </div>
)

type Option = Exit["options"][number]
type Chosen = Readonly<Record<string, ReadonlyArray<string>>>

interface ChoiceProps {
  readonly option: Option
  readonly chosen: ReadonlyArray<string>
  readonly onChange: (values: ReadonlyArray<string>) => void
}

const SingleChoice = ({ option: { name, says, values }, chosen, onChange }: ChoiceProps) => (
  <Field label={name} help={`${capital(says)}.`}>
    {(marks) => (
      <Select
        {...marks}
        value={chosen[0]}
        choose={(value) => onChange([value])}
        options={values.map((value) => [value, value])}
      />
    )}
  </Field>
)

const SeveralChoice = ({ option, chosen, onChange }: ChoiceProps) => (
  <fieldset class="option">
    <legend>{option.name}</legend>
    <p class="quiet small">{capital(option.says)}.</p>
    <div class="values">
      {option.values.map((value) => (
        <Check
          key={value}
          checked={chosen.includes(value)}
          // in the order in which they are listed
          set={(is) => onChange(option.values.filter((choice) => (choice === value ? is : chosen.includes(choice))))}
        >
          {value}
        </Check>
      ))}
    </div>
  </fieldset>
)

interface FormatProps {
  readonly id: string
  readonly exit: Exit
  /** no other export is running */
  readonly isFree: boolean
  readonly onBusy: (isBusy: boolean) => void
  /** called with the folder that was written */
  readonly onDone: (folder: string) => void
  /** folders of exports that were removed since */
  readonly removed: ReadonlySet<string>
}

export const Format = ({ id, exit, isFree, onBusy, onDone, removed }: FormatProps) => {
  const [chosen, setChosen] = useState<Chosen>(() =>
    Object.fromEntries(exit.options.map(({ name, usual }) => [name, usual]))
  )
  const { work, start, stop } = useWork("export", { onBusy, onDone: ({ exported }) => onDone(exported.id) })
  const isWhole = Object.values(chosen).every((values) => values.length > 0)
  const isRunning = work.state === "running"
  const exported = work.state === "done" && !removed.has(work.result.exported.id) ? work.result.exported : undefined
  const begin = () => start({ id, format: exit.name, options: chosen })
  return (
    <>
      {exit.options.map((option) => {
        const Choice = option.several ? SeveralChoice : SingleChoice
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
        {isRunning ? (
          <button type="button" onClick={stop}>
            Stop <span class="hidden">the export as {exit.title}</span>
          </button>
        ) : (
          <button type="button" disabled={!isWhole || !isFree} onClick={begin}>
            Export <span class="hidden">as {exit.title}</span>
          </button>
        )}
        {isWhole ? null : <span class="quiet small">Choose at least one value.</span>}
      </p>
      <p role="status" class={isRunning ? "small" : "hidden"}>
        {isRunning ? "Exporting …" : exported === undefined ? "" : `Exported to ${exported.folder}`}
      </p>
      <ProgressLines work={work} />
      {work.state === "failed" ? <Trouble problem={work} again={begin} /> : null}
      {exported === undefined ? null : <ExportedFiles exported={exported} />}
    </>
  )
}
