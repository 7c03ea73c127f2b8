/** `judge RUN`: lets another model judge what a trained language model and its base model answer in dialogues. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { number, percent, wholeNumber } from "../boundary/index.ts"
import { readTextFile } from "../files/index.ts"
import { Progress } from "../run/index.ts"
import { type Dialogue, type DialogueCategory, dialogues, judgeLayer, openJudgements } from "../scoring/index.ts"
import { type DialogueReport, judgeDialogues, loadCausalRun } from "../trained/index.ts"
import type { Given, judgeFlags } from "./flags.ts"
import { onDevice } from "./on-device.ts"
import { print, printJson, userError } from "./output.ts"

export const judge = ({
  run: directory,
  endpoint,
  judge: model,
  dialogues: count,
  rubric,
  record,
  prices,
  budget,
  maxTokens,
  base,
  device,
  threads,
  json
}: Given<typeof judgeFlags>) =>
  Effect.gen(function* () {
    if (Option.isSome(budget) && Option.isNone(prices)) {
      return yield* userError("found --budget without --prices; add --prices IN,OUT, in dollars per million tokens")
    }
    const rubricText = Option.isNone(rubric) ? {} : { rubric: yield* readTextFile(rubric.value) }
    const judgements = Option.isNone(record) ? {} : { judgements: yield* openJudgements(record.value) }
    const key = process.env["TFJS_LORA_PRO_JUDGE_KEY"]
    const judging = judgeLayer({
      address: endpoint,
      model,
      key: key === undefined || key === "" ? undefined : Redacted.make(key),
      ...Option.match(prices, { onNone: () => ({}), onSome: (text) => ({ prices: pricesOf(text) }) }),
      ...Option.match(budget, { onNone: () => ({}), onSome: (dollars) => ({ budget: dollars }) }),
      ...judgements
    })
    const run = yield* loadCausalRun(directory, { base: Option.getOrUndefined(base) })
    const tell = yield* Progress
    const report = yield* judgeDialogues(run, {
      dialogues: spread(
        dialogues,
        Option.getOrElse(count, () => dialogues.length)
      ),
      maxNewTokens: maxTokens,
      ...rubricText,
      done: (rows, of) => tell({ kind: "evaluating", split: "dialogues", rows, of })
    }).pipe(Effect.provide(judging))
    yield* json ? printJson(report) : print(reportText(report))
  }).pipe(onDevice(device, threads))

const pricesOf = (text: string) => {
  const [prompt, completion] = text.split(",").map(Number) as [number, number]
  return { prompt, completion }
}

/** Returns `count` dialogues, as evenly over the categories as possible. */
const spread = (all: ReadonlyArray<Dialogue>, count: number): ReadonlyArray<Dialogue> => {
  const places = new Map<DialogueCategory, number>()
  const placeOf = ({ category }: Dialogue) => {
    const place = places.get(category) ?? 0
    places.set(category, place + 1)
    return place
  }
  const ordered = all.map((dialogue) => ({ dialogue, place: placeOf(dialogue) })).toSorted((a, b) => a.place - b.place)
  return ordered.slice(0, count).map(({ dialogue }) => dialogue)
}

const reportText = ({ judge, adapter, base, preferences, spent }: DialogueReport): string => {
  const share = (winner: "first" | "second" | "tie") =>
    preferences.filter((preference) => preference.winner === winner).length
  const inconsistent = preferences.filter(({ consistent }) => !consistent).length
  const row = (name: string, mean: number | undefined, before: number | undefined) =>
    `  ${name.padEnd(12)} ${number(mean ?? Number.NaN, 2).padStart(4)}   base model ${number(before ?? Number.NaN, 2)}`
  const categories = Object.entries(adapter.mean.categories) as ReadonlyArray<[DialogueCategory, number]>
  const bill = spent.dollars === 0 ? "" : `, $${number(spent.dollars)}`
  return [
    `Grades from 1 to 10 for ${wholeNumber(adapter.dialogues.length)} dialogues, by ${judge}:`,
    row("all", adapter.mean.all, base.mean.all),
    ...categories.map(([category, mean]) => row(category, mean, base.mean.categories[category])),
    `Better answers: adapter ${share("first")}, base model ${share("second")}, equal ${share("tie")} (${percent(inconsistent / preferences.length)} were judged differently in the other order)`,
    `The judge gave ${wholeNumber(spent.answers)} answers, ${wholeNumber(spent.recorded)} of them on record: ${wholeNumber(spent.promptTokens + spent.completionTokens)} tokens${bill}`
  ].join("\n")
}
