/** A way out: its options, the export while it goes on, and what it left. */
import { useEffect, useId, useRef, useState } from "preact/hooks"
import type { Exit, Exported } from "../../../protocol/index.ts"
import { Trouble } from "../../parts/asked.tsx"
import { Check, Select } from "../../parts/fields.tsx"
import { useStudio } from "../../use.ts"
import { Left } from "./Left.tsx"

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
