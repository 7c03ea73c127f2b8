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

const isNumber = (text: string): boolean => /^[-−+]?[\d.,]+(e[-+]?\d+)?( ?%| MB| s)?$/.test(text) || text === "–"

/** Characters of a value that needs two columns, and of one that is a sentence. */
const WIDE = 14
const LONG = 24

interface ValuesProps {
  readonly values: ReadonlyArray<readonly [name: string, value: string]>
  readonly class?: string
}

/** Named values; longer ones have more room. */
export const Values = ({ values, class: className = "facts" }: ValuesProps) => (
  <dl class={className}>
    {values.map(([name, value]) => (
      <div key={name} class={value.length > LONG ? "wide long" : value.length > WIDE ? "wide" : undefined}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
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
