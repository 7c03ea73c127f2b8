/** Rows to predict: the form, and predictions with the adapter and without. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { AnswerPair, FieldToFill } from "../../../protocol/index.ts"
import { Check, SubmitForm } from "../../parts/fields.tsx"
import { Status, Trouble } from "../../parts/loading.tsx"
import { useAction } from "../../use.ts"
import { type Answered, Answers, probabilityText, type Row } from "./Answers.tsx"
import { Examples } from "./Examples.tsx"
import { Field } from "./Field.tsx"
import { Thumbnail } from "./grey.tsx"
import { Live } from "./Live.tsx"

const isPicture = ({ type, shape }: FieldToFill) => type === "image" || (type === "numbers" && shape !== undefined)

/** A row as it is shown on its button. */
const exampleOf = (fields: ReadonlyArray<FieldToFill>, row: Row, number: number) =>
  isPicture(fields[0]!) ? (
    <>
      <span class="hidden">Row {number}</span>
      <span aria-hidden="true">
        <Thumbnail field={fields[0]!} value={row[fields[0]!.name] ?? ""} />
      </span>
    </>
  ) : (
    fields.map(({ name }) => row[name] ?? "").join(" · ")
  )

/** predictions that stay on the page */
const HISTORY = 10

const labelText = (answer: AnswerPair["trained"]): string =>
  [answer.label, probabilityText(answer)].filter((text) => text !== "").join(", ")

const resultText = (answers: ReadonlyArray<AnswerPair>): string => {
  const [only] = answers
  if (answers.length !== 1 || only === undefined) return `${answers.length} predictions`
  const base = only.base === null ? "" : `; without the adapter: ${labelText(only.base)}`
  return `${labelText(only.trained)}${base}`
}

const isEmpty = (row: Row, fields: ReadonlyArray<FieldToFill>) =>
  fields.some(({ name }) => (row[name] ?? "").trim() === "")

interface AskRowsProps {
  readonly id: string
  readonly fields: ReadonlyArray<FieldToFill>
  readonly examples: ReadonlyArray<Row>
}

export const AskRows = ({ id, fields, examples }: AskRowsProps) => {
  const [row, setRow] = useState<Row>({})
  const [byLines, setByLines] = useState(false)
  const [history, setHistory] = useState<ReadonlyArray<Answered>>([])
  const [announcement, setSaid] = useState("")
  const { busy, problem, act } = useAction({ isNewestOnly: true })
  const isBusy = busy !== undefined
  const answers = useRef<HTMLElement>(null)

  const newest = history[0]?.number
  // on a phone predictions are below the form
  useEffect(() => {
    if (newest !== undefined) answers.current?.scrollIntoView({ block: "nearest" })
  }, [newest])

  const only = fields.length === 1 && fields[0]!.type === "text" ? fields[0]!.name : undefined
  const hasLines = only !== undefined && (row[only] ?? "").trim().includes("\n")
  const ask = (rows: ReadonlyArray<Row>) => {
    setSaid("")
    act("ask", { id, rows }, (answers) => {
      setSaid(resultText(answers))
      setHistory((last) => [{ number: (last[0]?.number ?? 0) + 1, rows, answers }, ...last].slice(0, HISTORY))
    })
  }
  const askForm = () => {
    if (only === undefined || !(hasLines && byLines)) return ask([row])
    const lines = row[only]!.split("\n").filter((line) => line.trim() !== "")
    ask(lines.map((line) => ({ [only]: line })))
  }
  return (
    <div class="asking">
      <SubmitForm class="form" submit={askForm}>
        <div class={fields.length > 4 ? "fields many" : "fields"}>
          {fields.map((field) => (
            <Field
              key={field.name}
              field={field}
              value={row[field.name] ?? ""}
              examples={examples}
              onChange={(value) => setRow((last) => ({ ...last, [field.name]: value }))}
            />
          ))}
        </div>
        {hasLines ? (
          <Check checked={byLines} set={setByLines}>
            Treat each line as a separate text
          </Check>
        ) : null}
        <p class="row">
          <button type="submit" class="primary" disabled={isEmpty(row, fields)}>
            Predict
          </button>
          <span class="quiet small">Press Ctrl+Enter to predict.</span>
        </p>
        {fields.length === 1 && fields[0]!.type === "image" ? <Live id={id} field={fields[0]!.name} /> : null}
        <Examples
          examples={examples.map((example, i) => exampleOf(fields, example, i + 1))}
          choose={(i) => {
            setRow(examples[i]!)
            ask([examples[i]!])
          }}
        />
      </SubmitForm>
      <section ref={answers} aria-labelledby="answers" class="answers">
        <h2 id="answers" class="hidden">
          Predictions
        </h2>
        <Status>{announcement}</Status>
        <Trouble problem={problem} />
        {isBusy ? <p class="quiet">Predicting …</p> : null}
        {history.length === 0 && !isBusy && problem === undefined ? (
          <p class="quiet">
            Predictions appear here: from the run with its adapter, and from the same model with the adapter switched
            off.
          </p>
        ) : null}
        {history.map((answer) => (
          <Answers key={answer.number} fields={fields} answer={answer} />
        ))}
      </section>
    </div>
  )
}
