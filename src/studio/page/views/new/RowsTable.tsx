/** The first rows, with the type and the number of values of each column. */
import { counted, wholeNumber } from "../../../../boundary/index.ts"
import type { Cell, Rows } from "../../../protocol/index.ts"
import { ColumnHeaders, Scrolled, Sentences, TableRows } from "../../parts/table.tsx"

const cellOf = (cell: Cell) =>
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
          <ColumnHeaders
            names={visible.map(({ name, type, distinct }) => (
              <>
                <span class="column-name">{name}</span>
                <span class="column-type">
                  {type}, {distinctText(distinct)}
                </span>
              </>
            ))}
          />
          <TableRows rows={rows.map((row) => row.map(cellOf))} />
        </table>
      </Scrolled>
      <Sentences class="notes" of={notes} />
    </>
  )
}
