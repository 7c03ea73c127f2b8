/** Exports of a run that are there already, each to be opened, saved or removed. */
import { useState } from "preact/hooks"
import type { Exported } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { Confirm } from "../../parts/confirm.tsx"
import { Trouble } from "../../parts/trouble.tsx"
import { focusView } from "../../place.ts"
import { useStudio } from "../../use.ts"
import { Left } from "./Left.tsx"

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
