/** A run in a line: how far it is, its newest numbers, and its buttons. */
import { useState } from "preact/hooks"
import { roughDuration, scientific, wholeNumber } from "../../../../boundary/index.ts"
import type { RunState, RunSummary } from "../../../protocol/index.ts"
import { ConfirmRemoval } from "../../parts/confirm.tsx"
import { addressOf } from "../../place.ts"
import { type Action, useStudio } from "../../use.ts"

/** A run's name, which leads to it. */
export const NameOf = ({ run: { id, name } }: { readonly run: RunSummary }) => (
  <a class="clamped" title={name} href={addressOf("runs", id)}>
    {name}
  </a>
)

/** A bar, and the same in numbers; of a finished run its steps. */
export const ProgressOf = ({ summary }: { readonly summary: RunSummary }) => {
  const { name, state, step, steps: all, secondsLeft } = summary
  if (all <= 0) return <span class="quiet small">{step === 0 ? "" : `step ${wholeNumber(step)}`}</span>
  return (
    <span class="progress">
      {state === "finished" ? null : <progress max={all} value={Math.min(step, all)} aria-label={`Steps of ${name}`} />}
      <span class="small quiet">
        {state === "finished" ? `${wholeNumber(step)} steps` : `${wholeNumber(step)}\u00a0/\u00a0${wholeNumber(all)}`}
        {secondsLeft === null ? "" : `\u00a0· ${roughDuration(secondsLeft)} left`}
      </span>
    </span>
  )
}

/** A hyperparameter: rates in scientific notation. */
export const hyperparameter = (value: string | number | undefined): string =>
  value === undefined ? "–" : typeof value === "number" ? scientific(value) : value

const DAY = 18 * 3600e3
const MOST_OF_A_YEAR = 300 * 24 * 3600e3

const clock: Intl.DateTimeFormatOptions = { hour: "numeric", minute: "2-digit" }
const day: Intl.DateTimeFormatOptions = { month: "short", day: "numeric", ...clock }
const today = new Intl.DateTimeFormat(undefined, clock)
const thisYear = new Intl.DateTimeFormat(undefined, day)
const before = new Intl.DateTimeFormat(undefined, { year: "numeric", ...day })

/** The time alone where it is not long ago. */
export const when = (milliseconds: number): string => {
  if (milliseconds === 0) return "–"
  const ago = Date.now() - milliseconds
  return (ago < DAY ? today : ago < MOST_OF_A_YEAR ? thisYear : before).format(milliseconds)
}

const underWay: ReadonlyArray<RunState> = ["waiting", "starting", "training", "stopping"]

export const isUnderWay = (state: RunState): boolean => underWay.includes(state)

/** What stops and resumes runs, by the states in which it does. */
const switches: ReadonlyArray<{
  readonly text: string
  /** its accessible name, before the run's */
  readonly label: string
  readonly states: ReadonlyArray<RunState>
  readonly call: "stop" | "resume"
  /** without its turn */
  readonly now?: true
}> = [
  { text: "Begin now", label: "Begin now:", states: ["waiting"], call: "resume", now: true },
  { text: "Stop", label: "Stop", states: ["waiting", "starting", "training"], call: "stop" },
  { text: "Resume", label: "Resume", states: ["stopped", "failed"], call: "resume" }
]

/** The ways on from a finished run: a view, and what it is called. */
const nextViews = [
  ["try", "Try"],
  ["export", "Export"]
] as const

/** A list has no room for the word in each line. */
const Bin = () => (
  <svg viewBox="0 0 16 16" aria-hidden="true">
    <path d="M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.75 9h6.5l.75-9M6.75 7v4M9.25 7v4" />
  </svg>
)

interface ButtonsProps {
  readonly summary: RunSummary
  readonly action: Action
  readonly removed: (run: RunSummary) => void
  /** with the ways on from a finished run */
  readonly hasNext?: boolean
}

/** The buttons of a run in its state. Labels have its name: a list has the same buttons in each row. */
export const Buttons = ({ summary, action: { busy, act }, removed, hasNext = true }: ButtonsProps) => {
  const { about } = useStudio()
  const [isAsking, setAsking] = useState(false)
  const { id, name, state } = summary
  const isBusy = busy?.id === id
  const canRemove = about.abilities.includes("remove") && (state === "waiting" || !isUnderWay(state))
  return (
    <span class="row buttons">
      {switches
        .filter(({ states }) => states.includes(state))
        .map(({ text, label, call, now }) => (
          <button
            key={text}
            type="button"
            disabled={isBusy}
            aria-label={`${label} ${name}`}
            onClick={() => act(call, { id, ...(now && { now }) })}
          >
            {text}
          </button>
        ))}
      {state === "finished" && hasNext
        ? nextViews.map(([view, text]) => (
            <a key={view} class="button" href={addressOf(view, id)} aria-label={`${text} ${name}`}>
              {text}
            </a>
          ))
        : null}
      {hasNext || isUnderWay(state) ? null : (
        <button
          type="button"
          class="plain"
          disabled={isBusy}
          onClick={() => act("annotate", { id, archived: !summary.archived })}
        >
          {summary.archived ? "Restore from the archive" : "Archive"}
        </button>
      )}
      {canRemove ? (
        <button
          type="button"
          class={hasNext ? "icon" : "plain"}
          disabled={isBusy}
          aria-label={`Remove ${name}`}
          title={hasNext ? "Remove" : undefined}
          onClick={() => setAsking(true)}
        >
          {hasNext ? <Bin /> : "Remove"}
        </button>
      ) : null}
      {isAsking ? (
        <ConfirmRemoval
          name={name}
          close={() => setAsking(false)}
          remove={() => act("remove", { id }, () => removed(summary))}
        >
          <p>
            {state === "waiting" ? "The run leaves the queue. " : ""}
            The folder <code>{id}</code> is deleted with everything in it: adapter, checkpoints, curves, report and log.
            This cannot be undone.
          </p>
          <p>Its rows, its plan file and its exports are kept.</p>
        </ConfirmRemoval>
      ) : null}
    </span>
  )
}
