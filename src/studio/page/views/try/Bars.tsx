/** Probabilities as bars with names and values. */
import { useState } from "preact/hooks"
import { percent } from "../../../../boundary/index.ts"

interface BarsProps {
  readonly shares: ReadonlyArray<{ readonly name: string; readonly share: number }>
  /** accessible name of the list */
  readonly label: string
  /** show all at once */
  readonly isWhole?: boolean
}

const SHOWN = 5

export const Bars = ({ shares, label, isWhole = false }: BarsProps) => {
  const [all, setAll] = useState(isWhole)
  const more = shares.length - SHOWN
  return (
    <>
      <ol class="bars" aria-label={label}>
        {shares.slice(0, all ? shares.length : SHOWN).map(({ name, share }) => (
          <li key={name}>
            <span class="name">{name}</span>
            <span class="bar" style={{ "--share": share }} aria-hidden="true" />
            <span class="number">{percent(share)}</span>
          </li>
        ))}
      </ol>
      {more > 0 && !all ? (
        <button type="button" class="plain" onClick={() => setAll(true)}>
          {more} more
        </button>
      ) : null}
    </>
  )
}
