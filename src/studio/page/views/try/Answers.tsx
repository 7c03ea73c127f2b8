/** Answers to rows that were asked together: one as two cards, several as a table. */
import { counted } from "../../../../boundary/index.ts"
import type { Answer, AnswerPair, FieldToFill } from "../../../protocol/index.ts"
import { Scrolled } from "../../parts/table.tsx"
import { Bars, percent } from "./Bars.tsx"
import { Thumbnail } from "./grey.tsx"

/** Fields and what is in them. */
export type Row = Readonly<Record<string, string>>

/** Rows that were asked together, with their answers. */
export interface Answered {
  readonly number: number
  readonly rows: ReadonlyArray<Row>
  readonly answers: ReadonlyArray<AnswerPair>
}

const WITH = "With the adapter"
const WITHOUT = "Without the adapter"

const shareOf = ({ label, shares }: Answer): string => {
  const share = shares.find(({ name }) => name === label)?.share
  return share === undefined ? "" : percent(share)
}

const Asked = ({ fields, row }: { readonly fields: ReadonlyArray<FieldToFill>; readonly row: Row }) => (
  <dl class="asked">
    {fields.map((field) => (
      <div key={field.name}>
        <dt class={fields.length === 1 ? "hidden" : undefined}>{field.name}</dt>
        <dd>
          <Thumbnail field={field} value={row[field.name] ?? ""} />
        </dd>
      </div>
    ))}
  </dl>
)

const Card = ({ title, answer }: { readonly title: string; readonly answer: Answer | null }) => (
  <div class="card">
    <h4>{title}</h4>
    {answer === null ? (
      <p class="quiet small">The head alone was trained: there is no adapter to switch off.</p>
    ) : (
      <>
        <p class="label">{answer.label}</p>
        {answer.shares.length === 0 ? null : <Bars shares={answer.shares} label={`Shares, ${title.toLowerCase()}`} />}
      </>
    )}
  </div>
)

const One = ({ fields, answered: { number, rows, answers } }: AnswersProps) => {
  const { trained, base } = answers[0]!
  return (
    <article class="answered" aria-labelledby={`answer-${number}`}>
      <h3 id={`answer-${number}`} class="hidden">
        Answer {number}
      </h3>
      <Asked fields={fields} row={rows[0]!} />
      <div class="sides">
        <Card title={WITH} answer={trained} />
        <Card title={WITHOUT} answer={base} />
      </div>
      {base !== null && base.label !== trained.label ? (
        <p class="differs small">The adapter changes the answer.</p>
      ) : null}
    </article>
  )
}

const Several = ({ fields, answered: { number, rows, answers } }: AnswersProps) => (
  <article class="answered" aria-labelledby={`answer-${number}`}>
    <h3 id={`answer-${number}`}>{rows.length} rows</h3>
    <Scrolled label={`Answers to ${counted(rows.length, "row")}`}>
      <table>
        <thead>
          <tr>
            {fields.map(({ name }) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
            <th scope="col">{WITH}</th>
            <th scope="col">{WITHOUT}</th>
          </tr>
        </thead>
        <tbody>
          {answers.map(({ trained, base }, i) => (
            <tr key={String(i)}>
              {fields.map((field) => (
                <td key={field.name}>
                  <Thumbnail field={field} value={rows[i]![field.name] ?? ""} />
                </td>
              ))}
              <td>
                <strong>{trained.label}</strong> {shareOf(trained)}
              </td>
              <td>{base === null ? "—" : `${base.label} ${shareOf(base)}`}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolled>
  </article>
)

interface AnswersProps {
  readonly fields: ReadonlyArray<FieldToFill>
  readonly answered: Answered
}

export const Answers = (props: AnswersProps) =>
  props.answered.rows.length === 1 ? <One {...props} /> : <Several {...props} />
