/** Rows of the run's own data, of which one is asked by a press. */
import type { FieldToFill } from "../../../protocol/index.ts"
import type { Row } from "./rows.ts"
import { Thumbnail } from "./Thumbnail.tsx"

const SHORT = 60 // characters

const shortened = (text: string): string => (text.length > SHORT ? `${text.slice(0, SHORT).trimEnd()}…` : text)

interface ExamplesProps {
  readonly fields: ReadonlyArray<FieldToFill>
  readonly examples: ReadonlyArray<Row>
  readonly onChoose: (row: Row) => void
}

const isShown = ({ type, shape }: FieldToFill) => type === "image" || (type === "numbers" && shape !== undefined)

export const Examples = ({ fields, examples, onChoose }: ExamplesProps) =>
  examples.length === 0 ? null : (
    <fieldset class="examples">
      <legend>Rows of its own data</legend>
      <div class="chips">
        {examples.map((row, i) => (
          <button key={String(i)} type="button" class="chip" onClick={() => onChoose(row)}>
            {isShown(fields[0]!) ? (
              <>
                <span class="hidden">Row {i + 1}</span>
                <span aria-hidden="true">
                  <Thumbnail field={fields[0]!} value={row[fields[0]!.name] ?? ""} />
                </span>
              </>
            ) : (
              shortened(fields.map(({ name }) => row[name] ?? "").join(" · "))
            )}
          </button>
        ))}
      </div>
    </fieldset>
  )
