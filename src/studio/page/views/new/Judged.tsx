/** What checking the plan came to: what would run, or what is wrong. */
import type { Checked, PlanProblem } from "../../../protocol/index.ts"
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
