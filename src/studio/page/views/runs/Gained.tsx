/** What a run gained: before → after, a bar with its interval and the baseline, and whether to trust it. Looks as in report.html. */
import type { Gain } from "../../../protocol/index.ts"

type Mark = Gain["after"]

const at = ({ at: place }: Mark): string => `--at:${place.toFixed(4)}`

export const Gained = ({ gain }: { readonly gain: Gain }) => {
  const { metric, on, before, after, baseline, interval, ends, legend, trust } = gain
  const words = `${metric} ${after.text} on a bar from ${ends[0]} to ${ends[1]}; ${legend.map(({ text }) => text).join("; ")}`
  return (
    <section class="gain" aria-label="Result">
      <p class="gain-of">
        <strong>{metric}</strong> on {on}
      </p>
      <p class="gain-numbers">
        {before === null ? null : (
          <>
            <span>{before.text}</span> <span aria-hidden="true">→</span>{" "}
          </>
        )}
        <strong>{after.text}</strong>
      </p>
      <div class="gain-bar" role="img" aria-label={words}>
        <i class="after" style={at(after)} />
        {interval === null ? null : (
          <i class="interval" style={`${at(interval[0])};--to:${interval[1].at.toFixed(4)}`} />
        )}
        {baseline === null ? null : <i class="baseline" style={at(baseline)} />}
        {before === null ? null : <i class="before" style={at(before)} />}
      </div>
      <p class="gain-ends">
        <span>{ends[0]}</span>
        <span>{ends[1]}</span>
      </p>
      <ul class="gain-legend">
        {legend.map(({ look, text }) => (
          <li key={look} class={look}>
            {text}
          </li>
        ))}
      </ul>
      <p class={`gain-trust ${trust.tone}`}>
        <strong>{trust.title}.</strong> {trust.says}
      </p>
    </section>
  )
}
