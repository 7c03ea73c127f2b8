/** The first rows, with the type and the number of values of each column. */
import { counted, wholeNumber } from "../../../../boundary/index.ts"
import type { Cell, Rows } from "../../../protocol/index.ts"
import { Scrolled } from "../../parts/table.tsx"

const CellOf = ({ cell }: { readonly cell: Cell }) =>
  "picture" in cell ? (
    <img src={cell.picture} alt={cell.alt} loading="lazy" />
  ) : cell.text === "" ? (
    <span class="quiet">
      <span aria-hidden="true">–</span>
      <span class="hidden">empty</span>
    </span>
  ) : (
    <div class="cell">{cell.text}</div>
  )

const distinctText = (distinct: number | null): string =>
  distinct === null ? "many values" : counted(distinct, "value")

export const Notes = ({ notes }: Pick<Rows, "notes">) =>
  notes.length === 0 ? null : (
    <ul class="notes">
      {notes.map((note) => (
        <li key={note}>{note}</li>
      ))}
    </ul>
  )

export const RowsTable = ({ rows: { columns, rows, count, notes, source } }: { readonly rows: Rows }) => {
  const visible = columns.slice(0, rows[0]?.length ?? columns.length)
  const hidden = columns.length - visible.length
  const of = count === null ? "First rows" : `${wholeNumber(Math.min(rows.length, count))} of ${counted(count, "row")}`
  return (
    <>
      <Scrolled label={`Rows of ${source}`} class="first-rows">
        <table>
          <caption>
            {of}
            {hidden > 0 ? `; ${wholeNumber(hidden)} of ${wholeNumber(columns.length)} columns are hidden` : ""}
          </caption>
          <thead>
            <tr>
              {visible.map(({ name, type, distinct }) => (
                <th key={name} scope="col">
                  <span class="column-name">{name}</span>
                  <span class="column-type">
                    {type}, {distinctText(distinct)}
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, at) => (
              // rows have no names of their own
              <tr key={`${at}`}>
                {row.map((cell, column) => (
                  <td key={visible[column]?.name}>
                    <CellOf cell={cell} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolled>
      <Notes notes={notes} />
    </>
  )
}
