/** The studies of the folder, and a new one; or one study by itself. */
import { Pending } from "../../parts/loading.tsx"
import { StateBadge } from "../../parts/state-badge.tsx"
import { addressOf, type ViewProps } from "../../place.ts"
import { useCall, useRefresh } from "../../use.ts"
import { NewStudy } from "./NewStudy.tsx"
import { OneStudy, StudyProgress } from "./OneStudy.tsx"
import "./compare.css"

export const Studies = () => {
  const call = useCall("studies", {})
  const studies = call.value
  useRefresh(call, studies?.some(({ state }) => state === "running") === true)
  // where the form is is known with the studies: one that moved would lose what was filled in
  const isNone = studies?.length === 0
  return (
    <>
      <p>
        A study trains several methods on one plan, each at its own best learning rate and with several seeds, and shows
        which differences are more than chance.
      </p>
      {isNone ? (
        <NewStudy />
      ) : (
        <section>
          <h2>Studies</h2>
          <Pending call={call} what="Studies" />
          {studies === undefined ? null : (
            <ul class="studies">
              {studies.map((study) => (
                <li key={study.id} class="card">
                  <h3>
                    <a href={addressOf("compare", study.id)}>{study.name}</a>
                  </h3>
                  <StateBadge state={study.state} />
                  <StudyProgress study={study} />
                  {study.note === null ? null : <span class="small quiet">{study.note.split("\n")[0]}</span>}
                </li>
              ))}
            </ul>
          )}
        </section>
      )}
      {studies === undefined || isNone ? null : <NewStudy />}
    </>
  )
}

export const Compare = ({ path: [id] }: ViewProps) => (id === undefined ? <Studies /> : <OneStudy key={id} id={id} />)
