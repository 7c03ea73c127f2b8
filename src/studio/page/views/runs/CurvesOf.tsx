/** Curves of several runs in one chart: which of their plots is the reader's choice. */

import { useMemo, useState } from "preact/hooks"
import { counted } from "../../../../boundary/index.ts"
import type { RunSummary } from "../../../protocol/index.ts"
import { Chart, ChartTools, useChartView } from "../../parts/chart.tsx"
import { Select } from "../../parts/fields.tsx"
import { Pending } from "../../parts/loading.tsx"
import { useCall, useRefresh } from "../../use.ts"
import { overlaid } from "./overlay.ts"
import { isUnderWay } from "./standing.tsx"

/** Points of a curve: the more runs, the fewer, so that a chart has 20,000 or so. */
const pointsOf = (runs: number): number => (runs <= 10 ? 1000 : runs <= 40 ? 500 : 200)

/** characters of a name in a legend */
const LONGEST = 32

/** Names by ids: long ones without their middle, unless two would read the same. */
const legendNames = (runs: ReadonlyArray<RunSummary>): ReadonlyMap<string, string> => {
  const short = runs.map(({ name }) => (name.length > LONGEST ? `${name.slice(0, 18)}…${name.slice(-12)}` : name))
  const areDistinct = new Set(short).size === runs.length
  return new Map(runs.map(({ id, name }, i) => [id, areDistinct ? short[i]! : name]))
}

export const CurvesOf = ({ runs, none }: { readonly runs: ReadonlyArray<RunSummary>; readonly none: () => void }) => {
  const [plot, setPlot] = useState("loss")
  const points = pointsOf(runs.length)
  const ids = runs.map(({ id }) => id).sort()
  const call = useCall("curves", { ids, plot, points })
  const { value } = call
  useRefresh(
    call,
    runs.some(({ state }) => isUnderWay(state))
  )
  const names = legendNames(runs)
  const drawn = useMemo(
    () => (value === undefined ? undefined : overlaid(value, (id) => names.get(id) ?? id, points)),
    [value, points]
  )
  const { view, smooth } = useChartView()
  const available = value?.available ?? []
  return (
    <>
      <div class="row">
        <label class="which">
          Plot
          <Select
            value={plot}
            choose={setPlot}
            options={available.length === 0 ? [[plot, "Loss"]] : available.map(({ id, title }) => [id, title])}
          />
        </label>
        <p class="quiet small">{counted(runs.length, "run")}</p>
        <button type="button" class="plain" onClick={none}>
          Clear the selection
        </button>
      </div>
      <Pending call={call} what="Curves" />
      {drawn === undefined ? null : drawn.plot.series.length === 0 ? (
        <p class="quiet">No selected run has this curve yet.</p>
      ) : (
        <>
          <ChartTools plots={[drawn.plot]} view={view} smooth={smooth} />
          <Chart plot={drawn.plot} view={view} dashes={drawn.dashes} canHide />
        </>
      )}
    </>
  )
}
