/** Two-turn dialogues, answered by one model or by two (a base model and its adapter), and judged. */
import * as Effect from "effect/Effect"
import type { Dialogue, DialogueCategory } from "./dialogues.ts"
import type { JudgeError } from "./exchange.ts"
import type { Judge } from "./judge.ts"
import { type Grade, grade, type JudgedTurn, type Preference, prefer } from "./verdicts.ts"

/** A message of a dialogue. */
export interface DialogueMessage {
  /** who speaks; "assistant" is the judged model */
  readonly role: "user" | "assistant"
  /** text of the message */
  readonly content: string
}

/** Writes the next answer of each conversation, in their order. */
export type Answering<E, R> = (
  conversations: ReadonlyArray<ReadonlyArray<DialogueMessage>>
) => Effect.Effect<ReadonlyArray<string>, E, R>

/** A dialogue with its answers. */
export interface AnsweredDialogue extends Pick<Dialogue, "id" | "category"> {
  /** both turns, in their order */
  readonly turns: ReadonlyArray<JudgedTurn>
}

/** Answers the first turn of all dialogues, then the second with the first answers before it. */
export const answerDialogues = <E, R>(
  dialogues: ReadonlyArray<Dialogue>,
  answering: Answering<E, R>
): Effect.Effect<ReadonlyArray<AnsweredDialogue>, E, R> =>
  Effect.gen(function* () {
    const openings = dialogues.map(({ first }): ReadonlyArray<DialogueMessage> => [{ role: "user", content: first }])
    const firsts = yield* answering(openings)
    const seconds = yield* answering(
      dialogues.map(({ second }, i) => [
        ...openings[i]!,
        { role: "assistant", content: firsts[i]! },
        { role: "user", content: second }
      ])
    )
    return dialogues.map(({ id, category, first, second, reference }, i) => ({
      id,
      category,
      turns: [
        { question: first, answer: firsts[i]!, ...(reference === undefined ? {} : { reference: reference[0] }) },
        { question: second, answer: seconds[i]!, ...(reference === undefined ? {} : { reference: reference[1] }) }
      ]
    }))
  })

/** A judged dialogue. */
export interface JudgedDialogue extends AnsweredDialogue, Grade {}

/** Grades each dialogue as a whole. */
export const gradeDialogues = (
  answered: ReadonlyArray<AnsweredDialogue>,
  rubric?: string
): Effect.Effect<ReadonlyArray<JudgedDialogue>, JudgeError, Judge> =>
  Effect.forEach(answered, (dialogue) => Effect.map(grade(dialogue.turns, rubric), (g) => ({ ...dialogue, ...g })), {
    concurrency: "unbounded"
  })

/** Compares two models' answers to the same dialogues, in both orders; `first` and `second` hold the same dialogues in the same order. */
export const compareDialogues = (
  first: ReadonlyArray<AnsweredDialogue>,
  second: ReadonlyArray<AnsweredDialogue>,
  rubric?: string
): Effect.Effect<ReadonlyArray<Preference & Pick<Dialogue, "id" | "category">>, JudgeError, Judge> =>
  Effect.forEach(
    first,
    ({ id, category, turns }, i) =>
      Effect.map(prefer(turns, second[i]!.turns, rubric), (preference) => ({ id, category, ...preference })),
    { concurrency: "unbounded" }
  )

/** Mean grades of judged dialogues. */
export interface MeanGrades {
  /** mean of all dialogues, 1 to 10 */
  readonly all: number
  /** mean of each category that has dialogues */
  readonly categories: Readonly<Partial<Record<DialogueCategory, number>>>
}

/** Computes mean grades. */
export const meanGrades = (judged: ReadonlyArray<Pick<JudgedDialogue, "category" | "grade">>): MeanGrades => {
  const mean = (grades: ReadonlyArray<number>) => grades.reduce((sum, n) => sum + n, 0) / grades.length
  const categories = [...new Set(judged.map(({ category }) => category))]
  return {
    all: mean(judged.map(({ grade }) => grade)),
    categories: Object.fromEntries(
      categories.map((of) => [of, mean(judged.flatMap(({ category, grade }) => (category === of ? [grade] : [])))])
    )
  }
}
