/** Inputs from the run's data, each a button. */
import type { ComponentChildren } from "preact"

const SHORT = 80 // characters

interface ExamplesProps {
  /** a text, which is shortened, or a picture */
  readonly examples: ReadonlyArray<ComponentChildren>
  readonly isDisabled?: boolean
  readonly choose: (at: number) => void
}

export const Examples = ({ examples, isDisabled = false, choose }: ExamplesProps) =>
  examples.length === 0 ? null : (
    <fieldset class="examples">
      <legend>Examples from the run's data</legend>
      <div class="chips">
        {examples.map((example, i) => (
          <button key={String(i)} type="button" class="chip" disabled={isDisabled} onClick={() => choose(i)}>
            {typeof example === "string" && example.length > SHORT ? `${example.slice(0, SHORT).trimEnd()}…` : example}
          </button>
        ))}
      </div>
    </fieldset>
  )
