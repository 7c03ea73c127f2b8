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

interface MeasuredProps {
  readonly text: string
  /** length of its bar, 1 at most */
  readonly share: number
  readonly says: string
}

const Measured = ({ text, share, says }: MeasuredProps) => (
  <>
    {text}
    <span
      class={share > 0.8 ? "meter warn" : "meter"}
      style={{ "--share": Math.min(1, Math.max(0.01, share)) }}
      aria-hidden="true"
    />
    <span class="quiet small">{says}</span>
  </>
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
    <Values
      class="facts estimates"
      label="Estimates"
      values={[
        ["Steps", wholeNumber(checked.steps)],
        ...(parts === undefined
          ? []
          : [
              [
                "Time",
                <Measured text={parts.time} share={parts.share} says={`${parts.rest}; a full bar is an hour`} />
              ] as const
            ]),
        [
          "Memory",
          free === null ? (
            byteSize(bytes)
          ) : (
            <Measured text={byteSize(bytes)} share={bytes / free} says={`of ${byteSize(free)} free`} />
          )
        ]
      ]}
    />
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

const ReasonOf = ({ path, value, reason, source }: Reason) => (
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
        <ReasonOf key={reason.path} {...reason} />
      ))}
    </div>
  </details>
)
