/** Which classes were taken for which: each cell opens the rows that are counted in it. */

import { useEffect, useRef, useState } from "preact/hooks"
import { counted, percent, wholeNumber } from "../../../../boundary/index.ts"
import type { Confusion, JudgedRow } from "../../../protocol/index.ts"
import { Pending } from "../../parts/loading.tsx"
import { ColumnHeaders, Scrolled } from "../../parts/table.tsx"
import { useCall } from "../../use.ts"

/** Rows with what a model said of them. */
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
            {probability == null ? "" : ` at ${percent(probability).replace(" ", "\u00a0")}`} ·{" "}
            <span title={where}>{where.split("/").slice(-2).join("/")}</span>
          </p>
        </div>
      </li>
    ))}
  </ol>
)

interface Cell {
  readonly split: string
  readonly label: string
  readonly predicted: string
  readonly count: number
}

// beyond this a table of all pairs is not legible; the pairs most often confused are listed instead, as in reports
const TABLE_CLASSES = 30
const PAIRS = 20
/** rows of a cell, at first and at most */
const FIRST = 20
const MOST = 200

const share = (part: number, all: number): string => (all === 0 ? "–" : `${Math.round((100 * part) / all)} %`)
const rowsOf = (count: number): string => counted(count, "row")
const isSame = (a: Cell | undefined, b: Cell): boolean =>
  a?.split === b.split && a.label === b.label && a.predicted === b.predicted

interface TableProps {
  readonly confusion: Confusion
  readonly open: Cell | undefined
  readonly setOpen: (cell: Cell) => void
}

const CellButton = ({
  cell,
  of,
  open,
  setOpen
}: Omit<TableProps, "confusion"> & { readonly cell: Cell; readonly of: number }) => (
  <button type="button" aria-expanded={isSame(open, cell)} onClick={() => setOpen(cell)}>
    <span>
      {wholeNumber(cell.count)}
      <span class="hidden">
        {" "}
        {cell.count === 1 ? "row" : "rows"} of {cell.label}, predicted {cell.predicted}: show{" "}
      </span>
      <small>{share(cell.count, of)}</small>
    </span>
  </button>
)

const Matrix = ({ confusion: { split, labels, counts }, ...opening }: TableProps) => {
  const predicted = labels.map((_, j) => counts.reduce((sum, row) => sum + row[j]!, 0))
  const all = predicted.reduce((sum, count) => sum + count, 0)
  return (
    <Scrolled label={`Confusion, ${split}`}>
      <table class="confusion">
        <caption>
          {split}, {rowsOf(all)}
        </caption>
        <ColumnHeaders names={["true \\ predicted", ...labels, "recall"]} isNumber={(i) => i > labels.length} />
        <tbody>
          {labels.map((label, i) => {
            const row = counts[i]!
            const of = row.reduce((sum, count) => sum + count, 0)
            return (
              <tr key={label}>
                <th scope="row">{label}</th>
                {row.map((count, j) => (
                  <td key={labels[j]} style={{ "--share": of === 0 ? 0 : (count / of).toFixed(3) }}>
                    {count === 0 ? (
                      <span class="none">0</span>
                    ) : (
                      <CellButton cell={{ split, label, predicted: labels[j]!, count }} of={of} {...opening} />
                    )}
                  </td>
                ))}
                <td class="number">{share(row[i]!, of)}</td>
              </tr>
            )
          })}
          <tr>
            <th scope="row">precision</th>
            {labels.map((label, j) => (
              <td key={label} class="number">
                {share(counts[j]![j]!, predicted[j]!)}
              </td>
            ))}
            <td />
          </tr>
        </tbody>
      </table>
    </Scrolled>
  )
}

const Pairs = ({ confusion: { split, labels, counts }, ...opening }: TableProps) => {
  const wrong = counts.flatMap((row, i) =>
    row.flatMap((count, j) => (i === j || count === 0 ? [] : [{ label: labels[i]!, predicted: labels[j]!, count }]))
  )
  const most = wrong.sort((a, b) => b.count - a.count).slice(0, PAIRS)
  return (
    <Scrolled label={`Confusion, ${split}`}>
      <table class="confusion">
        <caption>
          {split}, {labels.length} classes: the pairs most often confused
        </caption>
        <ColumnHeaders names={["true", "predicted", "rows"]} />
        <tbody>
          {most.map(({ label, predicted, count }) => (
            <tr key={`${label} ${predicted}`}>
              <th scope="row">{label}</th>
              <td>{predicted}</td>
              <td>
                <CellButton cell={{ split, label, predicted, count }} of={0} {...opening} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolled>
  )
}

const Behind = ({ id, cell, close }: { readonly id: string; readonly cell: Cell; readonly close: () => void }) => {
  const { split, label, predicted, count } = cell
  const [most, setMost] = useState(FIRST)
  const call = useCall("cell", { id, split, label, predicted, most })
  const { value } = call
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    setMost(FIRST)
    heading.current?.focus()
  }, [cell])
  return (
    <div class="card behind">
      <div class="head">
        <h4 ref={heading} tabIndex={-1}>
          {split}: {rowsOf(count)} of {label}, predicted {predicted}
        </h4>
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
      <Pending call={call} what="Predicting the rows of this split" />
      {value === undefined ? null : (
        <>
          {value.length === Math.min(count, most) ? null : (
            <p class="quiet">
              {rowsOf(value.length)} now, {count} when the run ended: the rows or the device have changed since.
            </p>
          )}
          <JudgedRows rows={value} />
          {count > value.length && most < MOST ? (
            <button type="button" onClick={() => setMost(MOST)}>
              {count <= MOST ? `All ${count}` : `${MOST} of ${count}`}
            </button>
          ) : null}
        </>
      )}
    </div>
  )
}

export const Confusions = ({
  id,
  confusions
}: {
  readonly id: string
  readonly confusions: ReadonlyArray<Confusion>
}) => {
  const [open, setOpen] = useState<Cell | undefined>(undefined)
  const last = useRef<Element | null>(null)
  const close = () => {
    setOpen(undefined)
    if (last.current instanceof HTMLElement) last.current.focus()
  }
  const choose = (cell: Cell) => {
    last.current = document.activeElement
    if (isSame(open, cell)) close()
    else setOpen(cell)
  }
  return (
    <section>
      <h3>Confusion matrix</h3>
      <p class="quiet">Select a count to see its rows.</p>
      <div class="grid">
        {confusions.map((confusion) => {
          const Shown = confusion.labels.length <= TABLE_CLASSES ? Matrix : Pairs
          return <Shown key={confusion.split} confusion={confusion} open={open} setOpen={choose} />
        })}
      </div>
      {open === undefined ? null : <Behind id={id} cell={open} close={close} />}
    </section>
  )
}
