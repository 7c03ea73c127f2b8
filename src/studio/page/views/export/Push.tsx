/** A push to the Hugging Face Hub: what to send and where, a preview of its files, and the page of the commit. */
import { useState } from "preact/hooks"
import { counted } from "../../../../boundary/index.ts"
import type { Exported, Pushed } from "../../../protocol/index.ts"
import { Check, Field, Select, SubmitForm, TextField } from "../../parts/fields.tsx"
import { FileTable } from "../../parts/files.tsx"
import { Trouble } from "../../parts/loading.tsx"
import { ProgressLines, useWork } from "./work.tsx"

interface Form {
  readonly repository: string
  readonly isPrivate: boolean
  /** of an export; "": the adapter */
  readonly folder: string
  readonly base: string
  readonly withReport: boolean
}

const first: Form = { repository: "", isPrivate: true, folder: "", base: "", withReport: false }

const NAME = /^[\w.-]+\/[\w.-]+$/

interface NameProps {
  readonly label: string
  readonly help: string
  readonly value: string
  readonly set: (value: string) => void
}

const Name = ({ label, help, value, set }: NameProps) => {
  const isWrong = value !== "" && !NAME.test(value)
  return (
    <TextField
      label={label}
      help={isWrong ? "Expected owner/name." : help}
      isWrong={isWrong}
      spellcheck={false}
      placeholder="owner/name"
      value={value}
      set={(text) => set(text.trim())}
    />
  )
}

const Preview = ({ pushed: { files, kept, repository } }: { readonly pushed: Pushed }) => (
  <>
    <h3>{counted(files.length, "file")} to send</h3>
    <FileTable files={files} of={repository} />
    {kept.map((sentence) => (
      <p key={sentence} class="small">
        {sentence}
      </p>
    ))}
  </>
)

interface PushProps {
  readonly id: string
  readonly exports: ReadonlyArray<Exported>
}

export const Push = ({ id, exports }: PushProps) => {
  const [form, setForm] = useState(first)
  const { work, start, stop } = useWork("push")
  // a preview is one of the form as it is
  const change = (next: Partial<Form>) => {
    setForm({ ...form, ...next })
    stop()
  }
  const { repository, isPrivate, folder, base, withReport } = form
  const isReady = NAME.test(repository) && (base === "" || NAME.test(base))
  const send = (isPreview: boolean) =>
    start({
      ...{ id, repository, isPrivate, isPreview, withReport: withReport && folder === "" },
      ...(folder === "" ? {} : { folder }),
      ...(base === "" ? {} : { base })
    })
  const pushed = work.state === "done" ? work.result.pushed : undefined
  const url = pushed?.url ?? undefined
  const isRunning = work.state === "running"
  return (
    <SubmitForm submit={() => send(pushed === undefined)}>
      <Name
        label="Repository"
        help="Created if it does not exist."
        value={repository}
        set={(next) => change({ repository: next })}
      />
      <Check checked={isPrivate} set={(next) => change({ isPrivate: next })}>
        Private
      </Check>
      {exports.length === 0 ? null : (
        <Field label="Content">
          {(marks) => (
            <Select
              {...marks}
              value={folder}
              choose={(next) => change({ folder: next })}
              options={[
                ["", "the adapter, with its card, plan and record"],
                ...exports.map((exported) => [exported.id, exported.folder] as const)
              ]}
            />
          )}
        </Field>
      )}
      <details>
        <summary>More options</summary>
        <Name
          label="Base model on the Hub"
          help="Needed if the base model is a folder on this computer."
          value={base}
          set={(next) => change({ base: next })}
        />
        {folder === "" ? (
          <Check checked={withReport} set={(next) => change({ withReport: next })}>
            Include the report, which shows misclassified rows
          </Check>
        ) : null}
      </details>
      {pushed === undefined || url !== undefined ? null : <Preview pushed={pushed} />}
      <p class="row">
        {isRunning ? (
          <button type="button" onClick={stop}>
            Stop <span class="hidden">the push</span>
          </button>
        ) : (
          <button type="submit" class="primary" disabled={!isReady || url !== undefined}>
            {pushed === undefined ? "Preview" : `Push to ${repository}`}
          </button>
        )}
      </p>
      <p role="status" class={isRunning || url !== undefined ? "small" : "hidden"}>
        {isRunning
          ? "Working …"
          : pushed === undefined
            ? ""
            : pushed.url === null
              ? "Nothing has been sent yet."
              : "Pushed: "}
        {url === undefined ? null : (
          <a href={url} target="_blank" rel="noreferrer">
            {url}
          </a>
        )}
      </p>
      <ProgressLines work={work} />
      {work.state === "failed" ? <Trouble problem={work} /> : null}
    </SubmitForm>
  )
}
