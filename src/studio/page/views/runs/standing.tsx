/** A run in a line: how far it is, its newest numbers, and its buttons. */
import { useState } from "preact/hooks"
import { roughDuration, scientific, wholeNumber } from "../../../../boundary/index.ts"
import type { RunState, RunSummary } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { Confirm } from "../../parts/confirm.tsx"
import { addressOf } from "../../place.ts"
import { useStudio } from "../../use.ts"

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

export interface Doing {
  readonly problem: HostError | undefined
  /** the call in progress and its run: "stop runs/reviews-1" */
  readonly busy: string | undefined
  readonly stop: (id: string) => void
  readonly resume: (id: string) => void
  /** without its turn */
  readonly beginNow: (id: string) => void
  readonly remove: (id: string, then: () => void) => void
  readonly archive: (id: string, archived: boolean) => void
  /** the run whose removal is to be confirmed */
  readonly toRemove: RunSummary | undefined
  readonly askToRemove: (run: RunSummary | undefined) => void
}

/** Stops, resumes, archives and removes runs, with what went wrong. */
export const useDoing = (): Doing => {
  const { host } = useStudio()
  const [problem, setProblem] = useState<HostError | undefined>(undefined)
  const [busy, setBusy] = useState<string | undefined>(undefined)
  const [toRemove, askToRemove] = useState<RunSummary | undefined>(undefined)
  const act = (name: string, id: string, request: () => Promise<unknown>, then?: () => void) => {
    setProblem(undefined)
    setBusy(`${name} ${id}`)
    request()
      .then(
        () => then?.(),
        (failed: HostError) => setProblem(failed)
      )
      .finally(() => setBusy(undefined))
  }
  return {
    problem,
    busy,
    stop: (id) => act("stop", id, () => host.call("stop", { id })),
    resume: (id) => act("resume", id, () => host.call("resume", { id })),
    beginNow: (id) => act("resume", id, () => host.call("resume", { id, now: true })),
    remove: (id, then) => act("remove", id, () => host.call("remove", { id }), then),
    archive: (id, archived) => act("archive", id, () => host.call("annotate", { id, archived })),
    toRemove,
    askToRemove
  }
}

/** A list has no room for the word in each line. */
const Bin = () => (
  <svg viewBox="0 0 16 16" aria-hidden="true">
    <path d="M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.75 9h6.5l.75-9M6.75 7v4M9.25 7v4" />
  </svg>
)

/** The buttons of a run in its state. Labels have its name: a list has the same buttons in each row. */
export const Buttons = ({
  summary,
  doing,
  hasNext = true
}: {
  readonly summary: RunSummary
  readonly doing: Doing
  /** with the ways on from a finished run */
  readonly hasNext?: boolean
}) => {
  const { about } = useStudio()
  const { id, name, state } = summary
  const isBusy = doing.busy?.endsWith(` ${id}`) === true
  const canRemove = about.abilities.includes("remove") && (state === "waiting" || !isUnderWay(state))
  return (
    <span class="row buttons">
      {state === "waiting" ? (
        <button type="button" disabled={isBusy} aria-label={`Begin now: ${name}`} onClick={() => doing.beginNow(id)}>
          Begin now
        </button>
      ) : null}
      {state === "waiting" || state === "starting" || state === "training" ? (
        <button type="button" disabled={isBusy} aria-label={`Stop ${name}`} onClick={() => doing.stop(id)}>
          Stop
        </button>
      ) : null}
      {state === "stopped" || state === "failed" ? (
        <button type="button" disabled={isBusy} aria-label={`Resume ${name}`} onClick={() => doing.resume(id)}>
          Resume
        </button>
      ) : null}
      {state === "finished" && hasNext ? (
        <>
          <a class="button" href={addressOf("try", id)} aria-label={`Try ${name}`}>
            Try
          </a>
          <a class="button" href={addressOf("export", id)} aria-label={`Export ${name}`}>
            Export
          </a>
        </>
      ) : null}
      {hasNext || isUnderWay(state) ? null : (
        <button type="button" class="plain" disabled={isBusy} onClick={() => doing.archive(id, !summary.archived)}>
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
          onClick={() => doing.askToRemove(summary)}
        >
          {hasNext ? <Bin /> : "Remove"}
        </button>
      ) : null}
    </span>
  )
}

/** Asks before a run is removed, and lists what is deleted and what stays. */
export const Removal = ({ doing, removed }: { readonly doing: Doing; readonly removed: (run: RunSummary) => void }) => {
  const run = doing.toRemove
  if (run === undefined) return null
  const { id, name, state } = run
  return (
    <Confirm
      key={id}
      title={`Remove ${name}?`}
      act="Remove"
      decide={(isAgreed) => {
        doing.askToRemove(undefined)
        if (isAgreed) doing.remove(id, () => removed(run))
      }}
    >
      <p>
        {state === "waiting" ? "The run leaves the queue. " : ""}
        The folder <code>{id}</code> is deleted with everything in it: adapter, checkpoints, curves, report and log.
        This cannot be undone.
      </p>
      <p>Its rows, its plan file and its exports are kept.</p>
    </Confirm>
  )
}
