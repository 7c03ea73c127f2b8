/** A table of texts. Where most of a column is numbers it is set to the right. */
import type { TableOfTexts } from "../../protocol/index.ts"
import { Scrolled } from "./scrolled.tsx"

const isNumber = (text: string): boolean => /^[-−+]?[\d.,]+(e[-+]?\d+)?( ?%| MB| s)?$/.test(text) || text === "–"

/** Characters of a cell that is a sentence. */
const LONG = 24

export const Texts = ({ table, caption }: { readonly table: TableOfTexts; readonly caption: string }) => {
  const numeric = table.columns.map(
    (_, i) => table.rows.length > 0 && table.rows.filter((row) => isNumber(row[i] ?? "")).length > table.rows.length / 2
  )
  return (
    <Scrolled label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {table.columns.map((column, i) => (
              <th key={column} scope="col" class={numeric[i] === true ? "number" : undefined}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, i) => (
            <tr key={i}>
              {row.map((cell, j) => (
                <td key={j} class={numeric[j] === true ? "number" : cell.length > LONG ? "long" : undefined}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolled>
  )
}
