/** The checked plan: facts, problems, warnings, the reasons for its values, and its difference from the suggestion. */
import { byteSize, capital, counted, wholeNumber } from "../../../../boundary/index.ts"
import type { Checked, PlanJson, PlanProblem, Reason, SuggestedPlan } from "../../../protocol/index.ts"
import { fieldDifferences } from "../../../runs/differences.ts"
import { Texts, Values } from "../../parts/table.tsx"
import { labelOf } from "./form/schema.ts"

export const Facts = ({ facts }: { readonly facts: Extract<Checked, { ok: true }>["facts"] }) => (
  <Values class="plan-facts" values={facts.map(({ name, value }) => [labelOf(name), value])} />
)

export const Problems = ({
  problems,
  lead
}: {
  readonly problems: ReadonlyArray<PlanProblem>
  readonly lead: (path: string) => void
}) => (
  <div class="trouble problems">
    <h3>{counted(problems.length, "problem")} to fix</h3>
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

/** Bar of a fraction, 1 at most. */
const Meter = ({ share }: { readonly share: number }) => (
  <span
    class={share > 0.8 ? "meter warn" : "meter"}
    style={{ "--share": Math.min(1, Math.max(0.01, share)) }}
    aria-hidden="true"
  />
)

const seconds: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600 }

/** "about 2 min of training on two CPU cores" → its parts, and the time as a fraction of an hour */
const timeParts = (text: string) => {
  const [, amount, unit = "", rest = ""] = /^about ([\d.,]+) (s|min|h) of training (.*)$/.exec(text) ?? []
  if (amount === undefined) return undefined
  return { time: `${amount} ${unit}`, rest, share: (Number(amount.replace(",", "")) * seconds[unit]!) / 3600 }
}

/** Estimated size, time and memory of the run. `time`: as a suggestion has it; null: unknown. */
export const Estimates = ({
  checked,
  time
}: {
  readonly checked: Extract<Checked, { ok: true }>
  readonly time: string | null
}) => {
  const { bytes, free } = checked.memory
  const parts = time === null ? undefined : timeParts(time)
  return (
    <dl class="facts estimates" aria-label="Estimates">
      <div>
        <dt>Steps</dt>
        <dd>{wholeNumber(checked.steps)}</dd>
      </div>
      {parts === undefined ? null : (
        <div>
          <dt>Time</dt>
          <dd>
            {parts.time}
            <Meter share={parts.share} />
            <span class="quiet small">{parts.rest}; a full bar is an hour</span>
          </dd>
        </div>
      )}
      <div>
        <dt>Memory</dt>
        <dd>
          {byteSize(bytes)}
          {free === null ? null : (
            <>
              <Meter share={bytes / free} />
              <span class="quiet small">of {byteSize(free)} free</span>
            </>
          )}
        </dd>
      </div>
    </dl>
  )
}

/** The values in which an edited plan differs from the suggestion that it started from. */
export const Changes = ({ from, to }: { readonly from: PlanJson; readonly to: PlanJson }) => {
  const table = fieldDifferences(["Suggestion", "This plan"], [from, to])
  return table.rows.length === 0 ? (
    <p class="quiet">This is the suggested plan.</p>
  ) : (
    <Texts table={table} caption="Changes to the suggestion" />
  )
}

const valueText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))

const One = ({ path, value, reason, source }: Reason) => (
  <details class="reason">
    <summary>
      <code>{path}</code> <strong>{valueText(value)}</strong>
    </summary>
    <p>{capital(reason)}.</p>
    {source === undefined ? null : <p class="quiet small">Source: {source}.</p>}
  </details>
)

/** The values of a suggestion with their reasons. */
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
