/** The ways out of a finished run, and the exports that are there already. */
import { useState } from "preact/hooks"
import type { Exit, Exported } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { Loading, Trouble } from "../../parts/asked.tsx"
import { Confirm } from "../../parts/confirm.tsx"
import { RunChoice } from "../../parts/run-choice.tsx"
import { focusView, type ViewProps } from "../../place.ts"
import { useCall, useStudio } from "../../use.ts"
import { Left, WayOut } from "./WayOut.tsx"
import "./export.css"

/** Exports of a run that are there already, each to be opened, saved or removed. */
interface EarlierProps {
  readonly all: ReadonlyArray<Exported>
  readonly removed: (id: string) => void
}

const One = ({ exported, remove }: { readonly exported: Exported; readonly remove: (() => void) | undefined }) => {
  const [isOpen, setOpen] = useState(false)
  return (
    <li class="card">
      <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>{exported.folder}</summary>
        {isOpen ? <Left left={exported} /> : null}
      </details>
      {remove === undefined ? null : (
        <button type="button" class="plain" aria-label={`Remove ${exported.folder}`} onClick={remove}>
          Remove
        </button>
      )}
    </li>
  )
}

export const Earlier = ({ all, removed }: EarlierProps) => {
  const { host, about } = useStudio()
  const [asking, ask] = useState<Exported | undefined>(undefined)
  const [problem, setProblem] = useState<HostError | undefined>(undefined)
  const [said, say] = useState("")
  const canRemove = about.abilities.includes("remove")
  const remove = ({ id, folder }: Exported) => {
    setProblem(undefined)
    host.call("removeExport", { id }).then(() => {
      say(`${folder} is removed`)
      removed(id)
      focusView()
    }, setProblem)
  }
  return (
    <>
      <p class="hidden" role="status">
        {said}
      </p>
      <Trouble problem={problem} />
      {all.length === 0 ? null : (
        <section>
          <h2>Exports of this run</h2>
          <ul class="exits earlier">
            {all.map((one) => (
              <One key={one.id} exported={one} remove={canRemove ? () => ask(one) : undefined} />
            ))}
          </ul>
        </section>
      )}
      {asking === undefined ? null : (
        <Confirm
          title={`Remove ${asking.folder}?`}
          act="Remove"
          answered={(isAgreed) => {
            ask(undefined)
            if (isAgreed) remove(asking)
          }}
        >
          <p>The folder goes with everything in it. This cannot be undone. The run stays, and can be exported again.</p>
        </Confirm>
      )}
    </>
  )
}

const classOf = ({ refused, there }: Exit): string =>
  refused !== null ? "card refused" : there === undefined ? "card" : "card whole"

const Ways = ({ id }: { readonly id: string }) => {
  const { value: exits, problem, doing, again } = useCall("exits", { id })
  /** the way that is under way: a run leaves by one at a time */
  const [busy, setBusy] = useState<string | undefined>(undefined)
  const earlier = useCall("exported", { id })
  const [removed, setRemoved] = useState<ReadonlySet<string>>(new Set())
  if (problem !== undefined) return <Trouble problem={problem} again={again} />
  if (exits === undefined) return <Loading what="Ways out" doing={doing} />
  const list = (
    <ul class="exits">
      {exits.map((exit) => (
        <li key={exit.name} class={classOf(exit)}>
          <h2>{exit.title}</h2>
          <p class="quiet">{exit.says}</p>
          {exit.refused === null ? null : <p class="why">Not this run: {exit.refused}.</p>}
          {exit.there === undefined ? null : <Left left={exit.there} />}
          {exit.refused === null && exit.there === undefined ? (
            <WayOut
              id={id}
              exit={exit}
              isFree={busy === undefined || busy === exit.name}
              onBusy={(isBusy) => setBusy(isBusy ? exit.name : undefined)}
              onDone={(folder) => {
                // one of this name may have been removed before
                setRemoved((before) => new Set([...before].filter((one) => one !== folder)))
                earlier.again()
              }}
              removed={removed}
            />
          ) : null}
        </li>
      ))}
    </ul>
  )
  return (
    <>
      {list}
      <Trouble problem={earlier.problem} />
      <Earlier
        all={earlier.value?.filter((one) => !removed.has(one.id)) ?? []}
        removed={(folder) => setRemoved((before) => new Set([...before, folder]))}
      />
    </>
  )
}

export const Export = ({ place: [id] }: ViewProps) => (
  <RunChoice view="export" id={id}>
    {(chosen) => <Ways key={chosen} id={chosen} />}
  </RunChoice>
)
