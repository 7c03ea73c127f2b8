/** Why the plan is what it is: each of its values with the reason for it. */
import type { Reason, SuggestedPlan } from "../../../protocol/index.ts"

const shown = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`

const One = ({ path, value, reason, source }: Reason) => (
  <details class="reason">
    <summary>
      <code>{path}</code> <strong>{shown(value)}</strong>
    </summary>
    <p>{sentence(reason)}</p>
    {source === undefined ? null : <p class="quiet small">Source: {source}.</p>}
  </details>
)

export const Reasons = ({ reasons }: Pick<SuggestedPlan, "reasons">) => (
  <details class="more reasons">
    <summary>Why these values</summary>
    <div>
      {reasons.map((reason) => (
        <One key={reason.path} {...reason} />
      ))}
    </div>
  </details>
)

export const Warnings = ({ warnings }: { readonly warnings: ReadonlyArray<string> }) =>
  warnings.length === 0 ? null : (
    <ul class="warnings" aria-label="Warnings">
      {warnings.map((warning) => (
        <li key={warning}>{warning}</li>
      ))}
    </ul>
  )
