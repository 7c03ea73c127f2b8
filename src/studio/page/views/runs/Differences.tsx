/** What differs between the runs that are compared: their results, then the fields of their plans. */
import { useMemo } from "preact/hooks"
import { score } from "../../../../boundary/index.ts"
import type { RunSummary } from "../../../protocol/index.ts"
import { Pending } from "../../parts/loading.tsx"
import { Texts } from "../../parts/table.tsx"
import { useCall } from "../../use.ts"

/** Columns that can be read next to each other. */
const MOST = 8

export const Differences = ({ runs }: { readonly runs: ReadonlyArray<RunSummary> }) => {
  const compared = runs.slice(0, MOST)
  const call = useCall("differences", { ids: compared.map(({ id }) => id) })
  const { value } = call
  const table = useMemo(
    () =>
      value && {
        columns: ["Field", ...compared.map(({ name }) => name)],
        rows: [
          ["Score", ...compared.map(({ score }) => score ?? "–")],
          ["Loss", ...compared.map((run) => score(run.loss))],
          ...value.rows
        ]
      },
    [value, compared.map(({ score, loss }) => `${score} ${loss}`).join("\n")]
  )
  return (
    <>
      <h3>Differences</h3>
      {runs.length > MOST ? <p class="quiet small">The first {MOST} of the selected runs.</p> : null}
      <Pending call={call} what="Differences" />
      {table && <Texts table={table} caption="Results, and the fields of the plans that differ" />}
    </>
  )
}
