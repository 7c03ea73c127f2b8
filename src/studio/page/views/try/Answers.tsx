/** Predictions for rows: one row as two cards, several as a table that can be saved. */
import { counted, percent } from "../../../../boundary/index.ts"
import type { Answer, AnswerPair, FieldToFill } from "../../../protocol/index.ts"
import { saveText } from "../../parts/files.tsx"
import { ColumnHeaders, Scrolled, TableRows, Values } from "../../parts/table.tsx"
import { Bars } from "./Bars.tsx"
import { Thumbnail } from "./grey.tsx"
import { sideNames } from "./talk.ts"

/** Fields and what is in them. */
export type Row = Readonly<Record<string, string>>

/** Rows of one request, with their predictions. */
export interface Answered {
  readonly number: number
  readonly rows: ReadonlyArray<Row>
  readonly answers: ReadonlyArray<AnswerPair>
}

/** The probability of the label; undefined: it has none. */
const probabilityOf = ({ label, shares }: Answer): number | undefined =>
  shares.find(({ name }) => name === label)?.share

export const probabilityText = (answer: Answer): string => {
  const probability = probabilityOf(answer)
  return probability === undefined ? "" : percent(probability)
}

/** Whether the adapter changes the label. */
const isChanged = ({ trained, base }: AnswerPair): boolean => base !== null && base.label !== trained.label

/** A field of a CSV file, quoted where it has to be. */
const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** Fields, labels and probabilities of both sides as CSV, a row each. */
export const csvOf = (fields: ReadonlyArray<Pick<FieldToFill, "name">>, { rows, answers }: Answered): string => {
  const names = fields.map(({ name }) => name)
  const header = [...names, "prediction", "probability", "prediction without adapter", "probability without adapter"]
  const lines = answers.map(({ trained, base }, i) => [
    ...names.map((name) => rows[i]![name] ?? ""),
    ...[trained, base].flatMap((side) => (side === null ? ["", ""] : [side.label, String(probabilityOf(side) ?? "")]))
  ])
  return [header, ...lines].map((line) => `${line.map(csvField).join(",")}\n`).join("")
}

const Card = ({ title, answer }: { readonly title: string; readonly answer: Answer | null }) => (
  <div class="card">
    <h4>{title}</h4>
    {answer === null ? (
      <p class="quiet small">Only the head was trained, so there is no adapter to switch off.</p>
    ) : (
      <>
        <p class="label">{answer.label}</p>
        {answer.shares.length === 0 ? null : (
          <Bars shares={answer.shares} label={`Probabilities, ${title.toLowerCase()}`} />
        )}
      </>
    )}
  </div>
)

const SingleAnswer = ({ fields, answer: { number, rows, answers } }: AnswersProps) => {
  const { trained, base } = answers[0]!
  return (
    <article class="answered" aria-labelledby={`answer-${number}`}>
      <h3 id={`answer-${number}`} class="hidden">
        Prediction {number}
      </h3>
      <Values
        class={fields.length === 1 ? "asked alone" : "asked"}
        values={fields.map((field) => [field.name, <Thumbnail field={field} value={rows[0]![field.name] ?? ""} />])}
      />
      <div class="sides">
        <Card title={sideNames.trained} answer={trained} />
        <Card title={sideNames.base} answer={base} />
      </div>
      {isChanged(answers[0]!) ? (
        <p>
          <span class="badge tint">The adapter changes the prediction</span>
        </p>
      ) : null}
    </article>
  )
}

const SeveralAnswers = ({ fields, answer: { number, rows, answers } }: AnswersProps) => (
  <article class="answered" aria-labelledby={`answer-${number}`}>
    <h3 id={`answer-${number}`}>{rows.length} rows</h3>
    <div class="row">
      {answers.some(({ base }) => base !== null) ? (
        <span class="quiet small">
          The adapter changes {answers.filter(isChanged).length} of {counted(rows.length, "prediction")}.
        </span>
      ) : null}
      <button type="button" onClick={() => saveText("predictions.csv", csvOf(fields, { number, rows, answers }))}>
        Save as CSV
      </button>
    </div>
    <Scrolled label={`Predictions for ${counted(rows.length, "row")}`}>
      <table>
        <ColumnHeaders names={[...fields.map(({ name }) => name), sideNames.trained, sideNames.base]} />
        <TableRows
          rows={answers.map(({ trained, base }, i) => [
            ...fields.map((field) => <Thumbnail field={field} value={rows[i]![field.name] ?? ""} />),
            <>
              <strong>{trained.label}</strong> {probabilityText(trained)}
            </>,
            <>
              {base === null ? "—" : `${base.label} ${probabilityText(base)}`}
              {isChanged(answers[i]!) ? <span class="badge tint">changed</span> : null}
            </>
          ])}
        />
      </table>
    </Scrolled>
  </article>
)

interface AnswersProps {
  readonly fields: ReadonlyArray<FieldToFill>
  readonly answer: Answered
}

export const Answers = (props: AnswersProps) =>
  props.answer.rows.length === 1 ? <SingleAnswer {...props} /> : <SeveralAnswers {...props} />
