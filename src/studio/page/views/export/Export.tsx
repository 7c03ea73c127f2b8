/** Share: how to use a finished run elsewhere, as cards by where it runs; a push to the Hub; and the exports that exist already. */

import { useState } from "preact/hooks"
import { capital } from "../../../../boundary/index.ts"
import type { Exit, Exported } from "../../../protocol/index.ts"
import { ConfirmRemoval } from "../../parts/confirm.tsx"
import { Pending, Status, Trouble } from "../../parts/loading.tsx"
import { RunChoice } from "../../parts/run-choice.tsx"
import { Values } from "../../parts/table.tsx"
import { focusView, type ViewProps } from "../../place.ts"
import { useAction, useCall, useStudio } from "../../use.ts"
import { ExportedFiles, Format } from "./Format.tsx"
import { Push } from "./Push.tsx"
import "./export.css"

/** Exports that exist already, each to be opened, saved or removed. */
interface EarlierProps {
  readonly all: ReadonlyArray<Exported>
  readonly removed: (id: string) => void
}

const ExportedCard = ({
  exported,
  remove
}: {
  readonly exported: Exported
  readonly remove: (() => void) | undefined
}) => {
  const [isOpen, setOpen] = useState(false)
  return (
    <li class="card">
      <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>{exported.folder}</summary>
        {isOpen ? <ExportedFiles exported={exported} /> : null}
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
  const { about } = useStudio()
  const [toRemove, askToRemove] = useState<Exported | undefined>(undefined)
  const { problem, act } = useAction()
  const [announcement, say] = useState("")
  const canRemove = about.abilities.includes("remove")
  const remove = ({ id, folder }: Exported) =>
    act("removeExport", { id }, () => {
      say(`Removed ${folder}`)
      removed(id)
      focusView()
    })
  return (
    <>
      <Status>{announcement}</Status>
      <Trouble problem={problem} />
      {all.length === 0 ? null : (
        <section>
          <h2>Exports of this run</h2>
          <ul class="exits earlier">
            {all.map((exported) => (
              <ExportedCard
                key={exported.id}
                exported={exported}
                remove={canRemove ? () => askToRemove(exported) : undefined}
              />
            ))}
          </ul>
        </section>
      )}
      {toRemove === undefined ? null : (
        <ConfirmRemoval name={toRemove.folder} close={() => askToRemove(undefined)} remove={() => remove(toRemove)}>
          <p>
            This deletes the folder and everything in it, and cannot be undone. The run is kept and can be exported
            again.
          </p>
        </ConfirmRemoval>
      )}
    </>
  )
}

/** Formats in which this run cannot be exported, with the reasons. */
const Missing = ({ exits }: { readonly exits: ReadonlyArray<Exit> }) =>
  exits.length === 0 ? null : (
    <details class="missing">
      <summary>Not available for this run</summary>
      <Values class="reasons" values={exits.map(({ title, refused }) => [title, `${refused}.`])} />
    </details>
  )

const isThere = ({ there }: Exit): boolean => there !== undefined

const Cards = ({ id }: { readonly id: string }) => {
  const { about } = useStudio()
  const call = useCall("exits", { id })
  /** the format that is being written: one at a time */
  const [busy, setBusy] = useState<string | undefined>(undefined)
  const earlier = useCall("exported", { id })
  const [removed, setRemoved] = useState<ReadonlySet<string>>(new Set())
  if (call.value === undefined) return <Pending call={call} what="Formats" />
  const exits = call.value
  const exports = earlier.value?.filter((exported) => !removed.has(exported.id)) ?? []
  const available = exits.filter(({ refused }) => refused === null)
  // files that are there next to what is still to be written: their cards are tall
  const [there, toWrite] = [available.filter(isThere), available.filter((exit) => !isThere(exit))]
  const cardOf = (exit: Exit) => (
    <li key={exit.name} class="card">
      <h2>
        {exit.usedIn} <span class="badge">{exit.title}</span>
      </h2>
      <p class="quiet">{capital(exit.says)}.</p>
      {exit.there === undefined ? (
        <Format
          id={id}
          exit={exit}
          isFree={busy === undefined || busy === exit.name}
          onBusy={(isBusy) => setBusy(isBusy ? exit.name : undefined)}
          onDone={(folder) => {
            // one of this name may have been removed before
            setRemoved((before) => before.difference(new Set([folder])))
            earlier.again()
          }}
          removed={removed}
        />
      ) : (
        <ExportedFiles exported={exit.there} />
      )}
    </li>
  )
  return (
    <>
      <div class="places">
        {there.length === 0 ? null : <ul class="exits">{there.map(cardOf)}</ul>}
        <ul class="exits">
          {toWrite.map(cardOf)}
          {about.abilities.includes("push") ? (
            <li class="card">
              <h2>On the Hugging Face Hub</h2>
              <p class="quiet">The model card, the weights, the plan and the record of the run, in one commit.</p>
              <Push id={id} exports={exports} />
            </li>
          ) : null}
        </ul>
      </div>
      <Trouble problem={earlier.problem} />
      <Earlier all={exports} removed={(folder) => setRemoved((before) => before.union(new Set([folder])))} />
      <Missing exits={exits.filter(({ refused }) => refused !== null)} />
    </>
  )
}

export const Export = ({ path: [id] }: ViewProps) => (
  <RunChoice view="export" id={id}>
    {(chosen) => <Cards key={chosen} id={chosen} />}
  </RunChoice>
)
