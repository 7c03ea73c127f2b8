/**
 * Two-turn dialogues, answered by a trained language model and by its base model, and judged by another model: a grade for each dialogue of each,
 * and which of the two is better, asked in both orders.
 */
import * as Effect from "effect/Effect"
import { type Device, ofDevice } from "../device/device.ts"
import type { DeviceError } from "../device/index.ts"
import { type ConversationError, conversation, type GenerationError, generateAll } from "../generation/index.ts"
import {
  type AnsweredDialogue,
  answerDialogues,
  compareDialogues,
  type Dialogue,
  type DialogueCategory,
  gradeDialogues,
  Judge,
  type JudgedDialogue,
  type JudgeError,
  type JudgeSpending,
  type MeanGrades,
  meanGrades,
  type Preference
} from "../scoring/index.ts"
import type { DeviceReadError } from "../tensors/index.ts"
import type { WritingRun } from "./load-trained.ts"

/** Options for judging dialogues. */
export interface JudgeDialoguesOptions {
  /** dialogues to answer, such as `dialogues` of tfjs-lora-pro/scoring */
  readonly dialogues: ReadonlyArray<Dialogue>
  /** most tokens of an answer; default 256 */
  readonly maxNewTokens?: number
  /** what the judge looks at; default: `RUBRIC` */
  readonly rubric?: string
  /** called with the number of answers written, of all that will be */
  readonly done?: (answers: number, of: number) => Effect.Effect<void>
}

/** Grades of one model. */
export interface DialogueGrades {
  /** mean grade, 1 to 10, of each category and of all */
  readonly mean: MeanGrades
  /** dialogues with their answers, grades and reasons */
  readonly dialogues: ReadonlyArray<JudgedDialogue>
}

/** Dialogues as another model judged them. */
export interface DialogueReport {
  /** name of the judging model */
  readonly judge: string
  /** grades of the model with its adapter */
  readonly adapter: DialogueGrades
  /** grades of the base model */
  readonly base: DialogueGrades
  /** which answers are better: "first" are the adapter's */
  readonly preferences: ReadonlyArray<
    Preference & {
      /** id of the dialogue */
      readonly id: string
      /** its category */
      readonly category: DialogueCategory
    }
  >
  /** what the judge has cost */
  readonly spent: JudgeSpending
}

/** Prompts of one batch: the memory of keys and values bounds it. */
const BATCH = 16

/** Answers dialogues with and without the adapter, greedily, and has both judged. */
export const judgeDialogues = (
  { adapted }: Pick<WritingRun, "adapted">,
  { dialogues, maxNewTokens = 256, rubric, done = () => Effect.void }: JudgeDialoguesOptions
): Effect.Effect<
  DialogueReport,
  JudgeError | ConversationError | GenerationError | DeviceReadError | DeviceError,
  Judge | Device
> =>
  Effect.gen(function* () {
    const judge = yield* Judge
    let answers = 0
    const answeredBy = (base: boolean) =>
      answerDialogues(dialogues, (conversations) =>
        Effect.gen(function* () {
          const texts: Array<string> = []
          for (let start = 0; start < conversations.length; start += BATCH) {
            const prompts = yield* Effect.forEach(conversations.slice(start, start + BATCH), (messages) =>
              Effect.flatMap(conversation(adapted.model.tokenizer, { messages }), ({ prompt }) => prompt)
            )
            const asked = prompts.map((prompt) => ({ prompt, options: { maxNewTokens } }))
            const ends = yield* generateAll(adapted, asked, { base })
            texts.push(...ends.map(({ text }) => text.trim()))
            answers += ends.length
            yield* done(answers, 4 * dialogues.length)
          }
          return texts
        })
      )
    const byAdapter = yield* answeredBy(false)
    const byBase = yield* answeredBy(true)
    const graded = (answered: ReadonlyArray<AnsweredDialogue>) =>
      Effect.map(gradeDialogues(answered, rubric), (dialogues) => ({ mean: meanGrades(dialogues), dialogues }))
    const adapter = yield* graded(byAdapter)
    const base = yield* graded(byBase)
    const preferences = yield* compareDialogues(byAdapter, byBase, rubric)
    return { judge: judge.model, adapter, base, preferences, spent: judge.spent() }
  }).pipe(ofDevice)
