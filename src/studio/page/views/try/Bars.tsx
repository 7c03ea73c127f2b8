/** Shares as bars with names and numbers. */
import { useState } from "preact/hooks"
import { percent } from "./numbers.ts"

interface BarsProps {
  readonly shares: ReadonlyArray<{ readonly name: string; readonly share: number }>
  /** what of them, for who hears it */
  readonly label: string
}

const SHOWN = 5

export const Bars = ({ shares, label }: BarsProps) => {
  const [all, setAll] = useState(false)
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
