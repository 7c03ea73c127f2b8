/** Judging by another model: grades and preferences of conversations, 80 two-turn dialogues, and the record of a judge's answers. */
export {
  type AnsweredDialogue,
  type Answering,
  answerDialogues,
  compareDialogues,
  type DialogueMessage,
  gradeDialogues,
  type JudgedDialogue,
  type MeanGrades,
  meanGrades
} from "./dialogue-judging.ts"
export { type Dialogue, type DialogueCategory, dialogues } from "./dialogues.ts"
export { type JudgeAnswer, JudgeError, type JudgeMessage } from "./exchange.ts"
export { Judge, type JudgeOptions, type JudgeShape, type JudgeSpending, judgeLayer, openJudge } from "./judge.ts"
export { type Judgements, openJudgements } from "./judgements.ts"
export { type Grade, grade, type JudgedTurn, type Preference, prefer, RUBRIC } from "./verdicts.ts"
