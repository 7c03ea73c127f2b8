import { useState } from "preact/hooks"
import type { Exit } from "../../../protocol/index.ts"
import { Loading } from "../../parts/loading.tsx"
import { RunChoice } from "../../parts/run-choice.tsx"
import { Trouble } from "../../parts/trouble.tsx"
import { useCall } from "../../use.ts"
import type { ViewProps } from "../../view.ts"
import { Earlier } from "./Earlier.tsx"
import { Left } from "./Left.tsx"
import { WayOut } from "./WayOut.tsx"
import "./export.css"

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
