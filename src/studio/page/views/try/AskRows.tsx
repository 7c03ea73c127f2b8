/** Rows to predict: the form, and predictions with the adapter and without. */
import { useEffect, useRef, useState } from "preact/hooks"
import { percent } from "../../../../boundary/index.ts"
import type { AnswerPair, FieldToFill } from "../../../protocol/index.ts"
import type { HostError } from "../../host.ts"
import { Trouble } from "../../parts/asked.tsx"
import { Check } from "../../parts/fields.tsx"
import { useStudio } from "../../use.ts"
import { type Answered, Answers, type Row } from "./Answers.tsx"
import { Field } from "./Field.tsx"
import { Thumbnail } from "./grey.tsx"
import { Live } from "./Live.tsx"

const SHORT = 60 // characters

const shortened = (text: string): string => (text.length > SHORT ? `${text.slice(0, SHORT).trimEnd()}…` : text)

interface ExamplesProps {
  readonly fields: ReadonlyArray<FieldToFill>
  readonly examples: ReadonlyArray<Row>
  readonly onChoose: (row: Row) => void
}

const isShown = ({ type, shape }: FieldToFill) => type === "image" || (type === "numbers" && shape !== undefined)

const Examples = ({ fields, examples, onChoose }: ExamplesProps) =>
  examples.length === 0 ? null : (
    <fieldset class="examples">
      <legend>Examples from the run's data</legend>
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

/** predictions that stay on the page */
const HISTORY = 10

const labelWithShare = ({ label, shares }: AnswerPair["trained"]): string => {
  const share = shares.find(({ name }) => name === label)?.share
  return share === undefined ? label : `${label}, ${percent(share)}`
}

const resultText = (answers: ReadonlyArray<AnswerPair>): string => {
  const [only] = answers
  if (answers.length !== 1 || only === undefined) return `${answers.length} predictions`
  const base = only.base === null ? "" : `; without the adapter: ${labelWithShare(only.base)}`
  return `${labelWithShare(only.trained)}${base}`
}

const isEmpty = (row: Row, fields: ReadonlyArray<FieldToFill>) =>
  fields.some(({ name }) => (row[name] ?? "").trim() === "")

interface AskRowsProps {
  readonly id: string
  readonly fields: ReadonlyArray<FieldToFill>
  readonly examples: ReadonlyArray<Row>
}

export const AskRows = ({ id, fields, examples }: AskRowsProps) => {
  const { host } = useStudio()
  const [row, setRow] = useState<Row>({})
  const [byLines, setByLines] = useState(false)
  const [history, setHistory] = useState<ReadonlyArray<Answered>>([])
  const [announcement, setSaid] = useState("")
  const [problem, setProblem] = useState<HostError | undefined>(undefined)
  const [isBusy, setBusy] = useState(false)
  const stop = useRef<AbortController | undefined>(undefined)
  const answers = useRef<HTMLElement>(null)
  useEffect(() => () => stop.current?.abort(), [])

  const newest = history[0]?.number
  // on a phone predictions are below the form
  useEffect(() => {
    if (newest !== undefined) answers.current?.scrollIntoView({ block: "nearest" })
  }, [newest])

  const only = fields.length === 1 && fields[0]!.type === "text" ? fields[0]!.name : undefined
  const hasLines = only !== undefined && (row[only] ?? "").trim().includes("\n")
  const ask = (rows: ReadonlyArray<Row>) => {
    stop.current?.abort()
    const controller = new AbortController()
    stop.current = controller
    setBusy(true)
    setProblem(undefined)
    setSaid("")
    host.call("ask", { id, rows }, { signal: controller.signal }).then(
      (answers) => {
        if (controller.signal.aborted) return
        setBusy(false)
        setSaid(resultText(answers))
        setHistory((last) => [{ number: (last[0]?.number ?? 0) + 1, rows, answers }, ...last].slice(0, HISTORY))
      },
      (failed: HostError) => {
        if (controller.signal.aborted) return
        setBusy(false)
        setProblem(failed)
      }
    )
  }
  const askForm = () => {
    if (isEmpty(row, fields)) return
    if (only === undefined || !(hasLines && byLines)) return ask([row])
    const lines = row[only]!.split("\n").filter((line) => line.trim() !== "")
    ask(lines.map((line) => ({ [only]: line })))
  }
  return (
    <div class="asking">
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault()
          askForm()
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault()
            askForm()
          }
        }}
      >
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
          <button type="submit" class="primary" disabled={isBusy || isEmpty(row, fields)}>
            Predict
          </button>
          <span class="quiet small">Press Ctrl+Enter to predict.</span>
        </p>
        {fields.length === 1 && fields[0]!.type === "image" ? <Live id={id} field={fields[0]!.name} /> : null}
        <Examples
          fields={fields}
          examples={examples}
          onChoose={(example) => {
            setRow(example)
            ask([example])
          }}
        />
      </form>
      <section ref={answers} aria-labelledby="answers" class="answers">
        <h2 id="answers" class="hidden">
          Predictions
        </h2>
        <p class="hidden" role="status">
          {announcement}
        </p>
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
