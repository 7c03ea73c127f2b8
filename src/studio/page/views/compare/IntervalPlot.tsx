/** Means of methods with their intervals, a line each, over one axis; plain LoRA's mean as a line through all. */
import type { Intervals } from "../../../protocol/index.ts"

const percent = (position: number): string => `${(100 * position).toFixed(2)}%`

export const IntervalPlot = ({ intervals: { title, ticks, base, rows } }: { readonly intervals: Intervals }) => (
  <figure class="card intervals">
    <figcaption>{title}</figcaption>
    <ul aria-label={title}>
      {rows.map(({ name, says, low, mean, high }) => (
        <li key={name}>
          <span class="name" aria-hidden="true">
            {name}
          </span>
          <span class="hidden">{says}</span>
          <span class="track" title={says} aria-hidden="true">
            {ticks.map(({ at }) => (
              <i key={at} class="tick" style={{ left: percent(at) }} />
            ))}
            {base === null ? null : <i class="base" style={{ left: percent(base) }} />}
            <i class="range" style={{ left: percent(low), right: percent(1 - high) }} />
            <i class="mean" style={{ left: percent(mean) }} />
          </span>
        </li>
      ))}
    </ul>
    <p class="axis small quiet" aria-hidden="true">
      <span class="track">
        {ticks.map(({ at, text }) => (
          <span key={at} style={{ left: percent(at) }}>
            {text}
          </span>
        ))}
      </span>
    </p>
    {base === null ? null : <p class="small quiet">The dashed line is the mean of plain LoRA.</p>}
  </figure>
)
