/** Which columns of rows hold a better and a worse answer, by the first of them; null where rows are no pairs. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { firstRows } from "../../../data/index.ts"
import {
  type Choice,
  type Columns,
  choice,
  type DetectedRows,
  type Detecting,
  PROBED_ROWS,
  type Row
} from "../../../suggest/index.ts"
import { detectCausal } from "../causal/detect.ts"

/** What data sets call them; the first are those that a plan has unless it names others. */
const answers = [
  ["chosen", "rejected"],
  ["preferred_output", "non_preferred_output"],
  ["chosen_response", "rejected_response"],
  ["response_chosen", "response_rejected"],
  ["preferred", "dispreferred"]
] as const

const prompts = ["prompt", "question", "instruction", "query", "input"] as const

const format = (chosen: string, rejected: string): Choice =>
  choice(
    "data.format",
    "preference",
    `rows have a better answer ("${chosen}") and a worse one ("${rejected}") to the same prompt`
  )

const detectedPairs = (rows: ReadonlyArray<Row>, columns: Columns): DetectedRows | null => {
  const has = (name: string) => rows.every((row) => row[name] !== undefined && row[name] !== null)
  const named = columns.chosen !== undefined || columns.rejected !== undefined
  const found = answers.find((names) => names.every(has))
  if (!named && found === undefined) return null
  const [usual] = answers
  const [chosen, rejected] = [columns.chosen ?? found?.[0] ?? usual[0], columns.rejected ?? found?.[1] ?? usual[1]]
  if (chosen === "preferred_output" && has("input")) {
    const mapping = choice(
      "data.mapping",
      "openai",
      'the columns "input" and "preferred_output" are those of OpenAI\'s form'
    )
    return { format: "preference", choices: [format(chosen, rejected), mapping] }
  }
  const prompt = columns.prompt ?? prompts.find(has)
  const own = (path: string, name: string | undefined, usually: string, what: string) =>
    name === undefined || name === usually ? [] : [choice(`data.${path}`, name, `the column that holds ${what}`)]
  return {
    format: "preference",
    choices: [
      format(chosen, rejected),
      ...own("prompt", prompt, "prompt", "the prompt"),
      ...own("chosen", chosen, usual[0], "the better answer"),
      ...own("rejected", rejected, usual[1], "the worse answer")
    ]
  }
}

export const detectPreference: Detecting = {
  columns: { preference: ["prompt", "chosen", "rejected"] },
  takes: detectCausal.takes,
  rows: (_, file, columns) =>
    Effect.map(Effect.result(firstRows(file, PROBED_ROWS)), (probed) =>
      // what is wrong with the file is reported by the kind that takes any rows
      Result.isSuccess(probed) ? detectedPairs(probed.success, columns) : null
    )
}
