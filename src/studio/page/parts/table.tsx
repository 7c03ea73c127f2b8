/** What is larger than its place, tables of texts in it, and lists of named values. */
import type { ComponentChildren, RefObject } from "preact"
import type { TableOfTexts } from "../../protocol/index.ts"

interface ScrolledProps {
  readonly label: string
  readonly class?: string
  readonly box?: RefObject<HTMLElement | null>
  readonly onScroll?: () => void
  readonly children: ComponentChildren
}

/** It is scrolled in its place, by the keyboard too, and has a name. */
export const Scrolled = ({ label, class: className, box, onScroll, children }: ScrolledProps) => (
  <section
    class={className === undefined ? "scroll" : `scroll ${className}`}
    aria-label={label}
    // biome-ignore lint/a11y/noNoninteractiveTabindex: nobody without a mouse could scroll it otherwise
    tabIndex={0}
    {...(box === undefined ? {} : { ref: box })}
    {...(onScroll === undefined ? {} : { onScroll })}
  >
    {children}
  </section>
)

interface SentencesProps {
  readonly of: ReadonlyArray<string>
  readonly class?: string
  readonly label?: string
}

/** Sentences as a list; nothing without one. */
export const Sentences = ({ of, class: className, label }: SentencesProps) =>
  of.length === 0 ? null : (
    <ul class={className} aria-label={label}>
      {of.map((sentence) => (
        <li key={sentence}>{sentence}</li>
      ))}
    </ul>
  )

const isNumber = (text: string): boolean => /^[-−+]?[\d.,]+(e[-+]?\d+)?( ?%| MB| s)?$/.test(text) || text === "–"

/** Characters of a value that needs two columns, and of one that is a sentence. */
const WIDE = 14
const LONG = 24

const widthOf = (value: ComponentChildren): string | undefined => {
  if (typeof value !== "string" || value.length <= WIDE) return undefined
  return value.length > LONG ? "wide long" : "wide"
}

interface ValuesProps {
  readonly values: ReadonlyArray<readonly [name: string, value: ComponentChildren]>
  readonly class?: string
  readonly label?: string
}

/** Named values; longer ones have more room. */
export const Values = ({ values, class: className = "facts", label }: ValuesProps) => (
  <dl class={className} aria-label={label}>
    {values.map(([name, value]) => (
      <div key={name} class={widthOf(value)}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)

interface ColumnHeadersProps {
  readonly names: ReadonlyArray<ComponentChildren>
  /** by a column's place: whether it is right-aligned */
  readonly isNumber?: (at: number) => boolean
  readonly class?: string
}

export const ColumnHeaders = ({ names, isNumber = () => false, class: className }: ColumnHeadersProps) => (
  <thead class={className}>
    <tr>
      {names.map((name, i) => (
        <th key={`${i}`} scope="col" class={isNumber(i) ? "number" : undefined}>
          {name}
        </th>
      ))}
    </tr>
  </thead>
)

interface TableRowsProps<Cell extends ComponentChildren> {
  readonly rows: ReadonlyArray<ReadonlyArray<Cell>>
  readonly classOf?: (column: number, cell: Cell) => string | undefined
}

/** Rows without names of their own. */
export const TableRows = <Cell extends ComponentChildren>({ rows, classOf }: TableRowsProps<Cell>) => (
  <tbody>
    {rows.map((row, i) => (
      <tr key={`${i}`}>
        {row.map((cell, j) => (
          <td key={`${j}`} class={classOf?.(j, cell)}>
            {cell}
          </td>
        ))}
      </tr>
    ))}
  </tbody>
)

/** A table of texts; columns that are mostly numbers are right-aligned. */
export const Texts = ({ table, caption }: { readonly table: TableOfTexts; readonly caption: string }) => {
  const numeric = table.columns.map(
    (_, i) => table.rows.length > 0 && table.rows.filter((row) => isNumber(row[i] ?? "")).length > table.rows.length / 2
  )
  return (
    <Scrolled label={caption}>
      <table class="texts">
        <caption>{caption}</caption>
        <ColumnHeaders names={table.columns} isNumber={(i) => numeric[i] === true} />
        <TableRows
          rows={table.rows}
          classOf={(i, cell) => (numeric[i] === true ? "number" : cell.length > LONG ? "long" : undefined)}
        />
      </table>
    </Scrolled>
  )
}
