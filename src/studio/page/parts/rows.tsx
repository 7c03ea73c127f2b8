/** Rows with what a model said of them. */
import type { JudgedRow } from "../../protocol/index.ts"
import "./rows.css"

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

export const JudgedRows = ({ rows }: { readonly rows: ReadonlyArray<JudgedRow> }) => (
  <ol class="judged">
    {rows.map(({ where, text, textPair, label, predicted, probability, picture }) => (
      <li key={where}>
        {picture == null ? null : <img src={picture} alt={`${text}, labelled ${label}, predicted ${predicted}`} />}
        <div>
          <q>{text}</q>
          {textPair === undefined ? null : <q>{textPair}</q>}
          <p class="small quiet">
            labelled <strong>{label}</strong>, predicted <strong>{predicted}</strong>
            {probability == null ? "" : ` at ${percent(probability)}`} · {where}
          </p>
        </div>
      </li>
    ))}
  </ol>
)
