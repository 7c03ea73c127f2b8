/** Input of rows: files dropped anywhere on the page or chosen by a button, a local path, or included examples. */

import type { ComponentChildren } from "preact"
import { useRef, useState } from "preact/hooks"
import { isRecord, wholeNumber } from "../../../../boundary/index.ts"
import type { Input, OutlinedPlan, PlanJson } from "../../../protocol/index.ts"
import type { DroppedFile, HostError } from "../../host.ts"
import { isHidden, MOST_FILES } from "../../parts/drop.tsx"
import { SubmitForm, TextField } from "../../parts/fields.tsx"
import { Trouble } from "../../parts/loading.tsx"
import { useAction, useCall, useStudio } from "../../use.ts"

/** What was dropped or chosen: a plan, one file of rows, or a folder. */
type Dropped =
  | { readonly kind: "plan"; readonly name: string; readonly plan: PlanJson }
  | { readonly kind: "rows"; readonly files: ReadonlyArray<DroppedFile> }

// a plan is a page
const LONGEST_PLAN = 2 * 2 ** 20 // bytes

/** The plan in a file; undefined if it is not one. Rejects with a sentence. */
const planIn = async ({ path, file }: DroppedFile): Promise<Dropped | undefined> => {
  if (!/\.json$/i.test(path) || file.size > LONGEST_PLAN) return undefined
  const text = await file.text()
  try {
    const plan: unknown = JSON.parse(text)
    if (!isRecord(plan) || !("model" in plan || "data" in plan || "training" in plan)) return undefined
    return { kind: "plan", name: file.name.replace(/\.json$/i, ""), plan }
  } catch (error) {
    throw new Error(`${file.name} is not valid JSON: ${(error as Error).message}`)
  }
}

/** Classifies files. Several without a common folder are put into one. Rejects with a sentence. */
const droppedOf = async (all: ReadonlyArray<DroppedFile>): Promise<Dropped> => {
  const files = all.filter(({ path }) => !isHidden(path))
  const [first] = files
  if (first === undefined) throw new Error("The drop contains no files.")
  if (files.length > MOST_FILES)
    throw new Error(`More than ${wholeNumber(MOST_FILES)} files were dropped. Is it the right folder?`)
  if (files.length === 1) {
    const plan = await planIn(first)
    if (plan !== undefined) return plan
    if (first.file.size === 0) throw new Error(`${first.file.name} is empty; expected at least one row.`)
    return {
      kind: "rows",
      files: [{ path: first.path.includes("/") ? first.path : first.file.name, file: first.file }]
    }
  }
  const top = first.path.split("/")[0]!
  const isFolder = files.every(({ path }) => path.startsWith(`${top}/`))
  return { kind: "rows", files: isFolder ? files : files.map(({ path, file }) => ({ path: `rows/${path}`, file })) }
}

/** The files that an input was given, with the folders that they are in. */
const filesOfInput = (files: FileList): ReadonlyArray<DroppedFile> =>
  [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }))

/** Starts a plan of the user's own, without a suggestion; the host fills in the known values. */
interface OwnPlanProps {
  readonly label: string
  /** what is known of it */
  readonly request: Input<"outline">
  readonly take: (outlined: OutlinedPlan) => void
}

export const OwnPlan = ({ label, request, take }: OwnPlanProps) => {
  const { problem, act } = useAction({ isNewestOnly: true })
  return (
    <div class="own-plan">
      <button type="button" class="plain" onClick={() => act("outline", request, take)}>
        {label}
      </button>
      <Trouble problem={problem} />
    </div>
  )
}

export interface Taking {
  /** stores dropped or chosen files */
  readonly take: (files: ReadonlyArray<DroppedFile>) => void
  /** uploaded fraction of the bytes; null: no upload */
  readonly share: number | null
  readonly problem: Pick<HostError, "message"> | undefined
}

/** Stores files, one drop at a time. */
export const useTaking = (rows: (source: string) => void, plan: (name: string, plan: PlanJson) => void): Taking => {
  const { host } = useStudio()
  const [share, setShare] = useState<number | null>(null)
  const [problem, setProblem] = useState<Taking["problem"]>(undefined)
  const isBusy = useRef(false)
  const take = async (files: ReadonlyArray<DroppedFile>) => {
    if (isBusy.current) return
    isBusy.current = true
    setProblem(undefined)
    try {
      const dropped = await droppedOf(files)
      if (dropped.kind === "plan") return plan(dropped.name, dropped.plan)
      setShare(0)
      rows(await host.store(dropped.files, setShare))
    } catch (error) {
      setProblem(error as Error)
    } finally {
      isBusy.current = false
      setShare(null)
    }
  }
  return { take, share, problem }
}

/** A button that opens the system's list of files. */
const Choose = ({
  label,
  isFolder = false,
  look,
  take
}: {
  readonly label: string
  readonly isFolder?: boolean
  readonly look?: "primary" | "plain"
  readonly take: Taking["take"]
}) => {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <button type="button" class={look} onClick={() => input.current?.click()}>
        {label}
      </button>
      <input
        ref={input}
        type="file"
        class="hidden"
        tabIndex={-1}
        aria-hidden="true"
        multiple={!isFolder}
        {...(isFolder ? { webkitdirectory: true } : {})}
        onChange={({ currentTarget }) => {
          if (currentTarget.files !== null && currentTarget.files.length > 0) take(filesOfInput(currentTarget.files))
          currentTarget.value = ""
        }}
      />
    </>
  )
}

const PathField = ({ named }: { readonly named: (source: string) => void }) => {
  const [path, setPath] = useState("")
  const plain = path.trim().replace(/^(["'])(.*)\1$/, "$2")
  return (
    <SubmitForm class="path row" submit={() => named(plain)}>
      <TextField
        label="Or enter a path on this computer"
        spellcheck={false}
        placeholder="data/reviews.csv"
        value={path}
        set={setPath}
      />
      <button type="submit" disabled={plain === ""}>
        Open
      </button>
    </SubmitForm>
  )
}

export const Progress = ({ share }: { readonly share: number }) => (
  <div class="progress">
    <label for="taken-in">Uploading files</label>
    <progress id="taken-in" max={1} value={share} />
    <span role="status" class="hidden">
      {share >= 1 ? "Upload complete" : "Uploading files"}
    </span>
  </div>
)

interface IntakeProps {
  readonly taking: Taking
  readonly isOver: boolean
  readonly named: (source: string) => void
  /** pictures by the webcam */
  readonly record: () => void
  /** a plan without rows */
  readonly outlined: (outlined: OutlinedPlan) => void
}

/** The start of a run: no rows yet. */
export const Intake = ({ taking: { take, share, problem }, isOver, named, record, outlined }: IntakeProps) => {
  const { about } = useStudio()
  const { value: examples = [] } = useCall("examples", {})
  return (
    <section aria-labelledby="rows-heading">
      <Trouble problem={problem} />
      <div class={isOver ? "drop over" : "drop"}>
        <h2 class="drop-head" id="rows-heading" tabIndex={-1}>
          Drop a table or folders of pictures here
        </h2>
        <p class="quiet">
          A table in CSV, TSV, JSON, JSON Lines or Parquet, such as texts with labels; one folder of pictures per class;
          or a .zip of either. A JSON plan opens as a plan.
        </p>
        {share === null ? (
          <div class="row">
            <Choose label="Choose a file" look="primary" take={take} />
            <Choose label="Choose a folder" isFolder take={take} />
            <button type="button" onClick={record}>
              Use the webcam
            </button>
          </div>
        ) : (
          <Progress share={share} />
        )}
      </div>
      {about.abilities.includes("paths") ? <PathField named={named} /> : null}
      {examples.map(({ name, says, source }) => (
        <div key={source} class="example">
          <button type="button" onClick={() => named(source)}>
            Use the {name}
          </button>
          <span class="quiet small">{says}</span>
        </div>
      ))}
      <OwnPlan label="Or start from an empty plan" request={{}} take={outlined} />
    </section>
  )
}

/** Replaces the rows; `children`: further buttons. */
export const Other = ({
  taking: { take, share, problem },
  children
}: Pick<IntakeProps, "taking"> & { readonly children: ComponentChildren }) => (
  <>
    {share === null ? (
      <div class="row others">
        <Choose label="Another file" look="plain" take={take} />
        <Choose label="Another folder" look="plain" isFolder take={take} />
        {children}
      </div>
    ) : (
      <Progress share={share} />
    )}
    <Trouble problem={problem} />
  </>
)
