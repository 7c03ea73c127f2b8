/** What is said of the plan: what would run or what is wrong, and why its values are what they are. */
import type { Checked, PlanProblem, Reason, SuggestedPlan } from "../../../protocol/index.ts"
import { labelOf } from "./form/schema.ts"

export const Facts = ({ facts }: { readonly facts: Extract<Checked, { ok: true }>["facts"] }) => (
  <dl class="plan-facts">
    {facts.map(({ name, value }) => (
      <div key={name}>
        <dt>{labelOf(name)}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)

export const Problems = ({
  problems,
  lead
}: {
  readonly problems: ReadonlyArray<PlanProblem>
  readonly lead: (path: string) => void
}) => (
  <div class="trouble problems">
    <h3>{problems.length === 1 ? "One thing is wrong" : `${problems.length} things are wrong`}</h3>
    <ul>
      {problems.map(({ path, message }) => (
        <li key={`${path}: ${message}`}>
          {path === "" ? null : (
            <button type="button" class="plain" onClick={() => lead(path)}>
              <code>{path}</code>
            </button>
          )}
          <span>{message}</span>
        </li>
      ))}
    </ul>
  </div>
)

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

/** Each value of a suggestion with the reason for it. */
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
