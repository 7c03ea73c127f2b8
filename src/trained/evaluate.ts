/**
 * Evaluates a trained run on rows: the splits of its plan, or another file with the same columns. And what a causal language model
 * writes itself, compared with what its data says: the answer to each row's prompt, and a score of it.
 *
 *   a conversation    the messages before its last one are the prompt; the last one, the assistant's, is expected
 *   a completion      its prompt, and what follows it
 *
 * Loss and perplexity look at tokens one at a time, each after the right ones; here a model goes on with what it wrote. A score is a
 * function: the exact match of a solution, or a program that passes its tests (pass@1).
 *
 * @example
 * import { Effect } from "effect"
 * import { generatedScores } from "tfjs-lora-pro"
 * import type { Adapted } from "tfjs-lora-pro/adapters"
 * import type { Causal as Data } from "tfjs-lora-pro/data"
 * import type { Causal } from "tfjs-lora-pro/models"
 *
 * const scored = (adapted: Adapted<Causal.CausalModel>, test: Data.CausalSplit) =>
 *   Effect.map(generatedScores(adapted, test, { maxNewTokens: 64 }), ({ score, answers }) => ({ score, answers }))
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import type { Adapted } from "../../adapters/index.ts"
import type { RunPlan } from "../../schemas/index.ts"
import type { CausalContent, CausalRow, CausalSplit } from "../data/causal/index.ts"
import { DataError, LeakListener } from "../data/index.ts"
import { ofDevice } from "../device/device.ts"
import { conversation, type GenerateOptions, type GenerationEnd, generate, type Prompt } from "../generation/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import { inRounds, json } from "../ranks/index.ts"
import { evaluateSplit, Progress } from "../run/index.ts"
import type { LoadedRun } from "./load-run.ts"
import type { WritingRun } from "./load-trained.ts"
import { compareRows } from "./run-identity.ts"

/** One report per split; for `file` a single one, whose `split` is "test". Listeners get the file's name. */
export const evaluateRun = (
  { kind, plan, adapted, steps, inputs }: Pick<LoadedRun, "kind" | "plan" | "adapted" | "steps" | "inputs">,
  file?: string
) =>
  Effect.gen(function* () {
    if (file !== undefined) yield* tellLeaks(plan, file, (own) => kind.splits(adapted, own))
    const splits = yield* kind.splits(adapted, plan, file)
    if (file === undefined) yield* compareRows(inputs, plan, splits)
    const wanted = file === undefined ? { validation: splits.validation, test: splits.test } : { test: splits.train }
    const called = yield* calledBy(file)
    return yield* Effect.forEach(
      (["validation", "test"] as const).filter((split) => wanted[split as "test"] !== undefined),
      (split) => evaluateSplit({ kind, adapted, plan, split, source: wanted[split as "test"]!, called, step: steps })
    )
  }).pipe(ofDevice)

/** What a file's rows are called in messages. */
const calledBy = (file: string | undefined) =>
  Effect.map(Path.Path, (path) => (file === undefined ? undefined : path.basename(file)))

/** The plan with a file's rows as its test split; a share that was held out of the training rows stays out of them. */
const withTest = <Plan extends RunPlan>(plan: Plan, file: string): Plan => {
  const { validation, ...data } = plan.data
  const heldOut = typeof validation === "number" ? { validation } : {}
  return { ...plan, data: { ...data, ...heldOut, test: file } } as Plan
}

/**
 * Tells how many rows of the test split have a text that the run was trained on, as soon as the files that `open` opens are read. Where
 * the training rows cannot be read any more, nothing is known and nothing is reported.
 */
const tellLeaks = <E, R>(plan: RunPlan, file: string, open: (plan: RunPlan) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    // of an adapter from elsewhere, whose training rows are not known
    const path = yield* Path.Path
    if (plan.data.train === path.resolve(file)) return
    const tell = yield* Progress
    const found = yield* Deferred.make<ReadonlyArray<string>>()
    const opening = Effect.provideService(open(withTest(plan, file)), LeakListener, (leaks) =>
      Deferred.succeed(found, leaks)
    )
    const leaks = yield* Effect.raceFirst(Effect.as(opening, []), Deferred.await(found)).pipe(
      Effect.orElseSucceed((): ReadonlyArray<string> => [])
    )
    yield* Effect.forEach(leaks, (message) => tell({ kind: "notice", message: `note: ${message}` }), { discard: true })
  }).pipe(Effect.scoped)

/** A row's prompt, answered. */
export interface Answer {
  /** the row's place: `test.jsonl:12` */
  readonly where: string
  /** the row's content, its answer included */
  readonly content: CausalContent
  /** the row's own answer */
  readonly expected: string
  /** the model's answer */
  readonly text: string
  /** why it ended */
  readonly finish: GenerationEnd["finish"]
}

export interface ScoredAnswer extends Answer {
  /** as its `Score` judges it */
  readonly score: number
}

/** How good an answer is; 0 to 1 where its mean is to be a share. */
export type Score<E = never, R = never> = (answer: Answer) => Effect.Effect<number, E, R>

export interface GeneratedScores {
  /** how many were answered */
  readonly rows: number
  /** the mean */
  readonly score: number
  /** in the order of the rows */
  readonly answers: ReadonlyArray<ScoredAnswer>
}

export interface GeneratedScoreOptions<E, R> extends Omit<GenerateOptions, "first"> {
  /** default: `exactMatch` */
  readonly score?: Score<E, R>
  /** the first rows, this many; all unless given */
  readonly rows?: number
  /** answers that are written together; default 8 */
  readonly batchSize?: number
  /** called with the number of rows that are done */
  readonly done?: (rows: number) => Effect.Effect<void>
}

/** 1 where the two are the same but for white space around them. */
export const exactMatch: Score = ({ text, expected }) => Effect.succeed(text.trim() === expected.trim() ? 1 : 0)

/** 1 where the last number of the two is the same, as mathematics is scored ("… so the answer is: 1,234." and "#### 1234"). */
export const finalNumber: Score = ({ text, expected }) => {
  const [own, right] = [lastNumber(text), lastNumber(expected)]
  return Effect.succeed(own !== undefined && own === right ? 1 : 0)
}

/** Groups of thousands may be set off by commas. */
const lastNumber = (text: string): number | undefined => {
  const found = text.match(/-?\d+(?:,\d{3})*(?:\.\d+)?/g)?.at(-1)
  return found === undefined ? undefined : Number(found.replaceAll(",", ""))
}

/**
 * Answers the prompts of a split's rows and scores the answers. Fails at a row that has no prompt or expects no answer. Where there are
 * several ranks they divide what is written; each scores all of it.
 */
export const generatedScores = <E = never, R = never>(
  adapted: Adapted<CausalModel>,
  split: Pick<CausalSplit, "rows" | "where" | "read">,
  { score, rows = split.rows, batchSize = 8, done, ...options }: GeneratedScoreOptions<E, R> = {}
) =>
  Effect.gen(function* () {
    const judge = (score ?? exactMatch) as Score<E, R>
    const count = Math.min(rows, split.rows)
    const answers: Array<ScoredAnswer> = []
    const batchAt = (start: number) =>
      Effect.gen(function* () {
        const size = Math.min(batchSize, count - start)
        const rows = yield* split.read(Array.from({ length: size }, (_, i) => start + i))
        return { start, asked: yield* questionsOf(adapted, rows) }
      })
    const use = ({ asked }: Asking, ends: ReadonlyArray<Ended>) =>
      Effect.gen(function* () {
        for (const [i, { where, content, expected }] of asked.entries()) {
          const { text, finish } = ends[i]!
          const answer: Answer = { where, content, expected, text, finish }
          answers.push({ ...answer, score: yield* judge(answer) })
        }
        if (done !== undefined) yield* done(answers.length)
      })
    yield* Stream.range(0, Math.ceil(count / batchSize) - 1).pipe(
      // one at a time: rows are read when they are asked
      Stream.rechunk(1),
      Stream.mapEffect((i) => batchAt(i * batchSize)),
      inRounds({
        compute: ({ start, asked }) => textsOf(adapted, asked, { ...options, first: start }),
        as: json<ReadonlyArray<Ended>>(),
        use
      })
    )
    const sum = answers.reduce((total, own) => total + own.score, 0)
    const scores: GeneratedScores = { rows: answers.length, score: sum / answers.length, answers }
    return scores
  })

interface Question {
  readonly where: string
  readonly content: CausalContent
  readonly prompt: Prompt
  readonly expected: string
}

/** Questions that are asked together, from row `start` on. */
interface Asking {
  readonly start: number
  readonly asked: ReadonlyArray<Question>
}

type Ended = Pick<GenerationEnd, "text" | "finish">

/** What became of each prompt, in their order. */
const textsOf = (adapted: Adapted<CausalModel>, asked: ReadonlyArray<Question>, options: GenerateOptions) =>
  generate(
    adapted,
    asked.map(({ prompt }) => prompt),
    options
  ).pipe(
    Stream.filter((event): event is GenerationEnd => event.kind === "end"),
    Stream.runCollect,
    Effect.map((ends) =>
      ends.toSorted((a, b) => a.prompt - b.prompt).map(({ text, finish }): Ended => ({ text, finish }))
    )
  )

/** All rows that cannot be asked at once. */
const questionsOf = ({ model }: Adapted<CausalModel>, rows: ReadonlyArray<CausalRow>) =>
  Effect.gen(function* () {
    const questions: Array<Question> = []
    const problems: Array<string> = []
    for (const { where, content } of rows) {
      const asked = yield* Effect.result(questionOf(model, content))
      if (asked._tag === "Failure") problems.push(`${where}: ${asked.failure}`)
      else questions.push({ where, content, ...asked.success })
    }
    if (problems.length === 0) return questions
    return yield* new DataError({ where: rows[0]!.where, problems, total: problems.length })
  })

const questionOf = ({ tokenizer }: CausalModel, content: CausalContent): Effect.Effect<Asked, string> => {
  if (content.kind === "completion") return Effect.succeed({ prompt: content.prompt, expected: content.completion })
  if (content.kind === "text") return Effect.fail("is a text, which asks nothing; completions and conversations do")
  const { messages } = content
  const last = messages.at(-1)
  if (messages.length < 2 || last?.role !== "assistant" || last.content === null) {
    return Effect.fail(
      "the conversation does not end with an answer of the assistant to something, so none is expected"
    )
  }
  const { content: expected } = last
  return conversation(tokenizer, { messages: messages.slice(0, -1) }).pipe(
    Effect.flatMap(({ prompt }) => prompt),
    Effect.mapBoth({ onSuccess: (prompt) => ({ prompt, expected }), onFailure: ({ message }) => message })
  )
}

type Asked = Pick<Question, "prompt" | "expected">

export interface GeneratedReport extends GeneratedScores {
  /** which split's rows they are */
  readonly split: "validation" | "test"
}

export interface EvaluateGeneratedOptions<E, R> extends Omit<GeneratedScoreOptions<E, R>, "done"> {
  /** a file with the plan's columns, in place of its splits; its report is called "test" */
  readonly file?: string | undefined
}

/** A trained run, asked: what it writes to the rows of its splits, or of another file, and how much of it is right. One report per split. */
export const evaluateGenerated = <E = never, R = never>(
  {
    plan,
    adapted,
    generation,
    inputs = {}
  }: Pick<WritingRun, "plan" | "adapted" | "generation"> & Partial<Pick<WritingRun, "inputs">>,
  { file, ...options }: EvaluateGeneratedOptions<E, R> = {}
) =>
  Effect.gen(function* () {
    const tell = yield* Progress
    if (file !== undefined) yield* tellLeaks(plan, file, (own) => generation.splits({ adapted }, own))
    const splits = yield* generation.splits({ adapted }, plan, file)
    if (file === undefined) yield* compareRows(inputs, plan, splits)
    const wanted = file === undefined ? { validation: splits.validation, test: splits.test } : { test: splits.train }
    const called = yield* calledBy(file)
    const reports: Array<GeneratedReport> = []
    for (const split of ["validation", "test"] as const) {
      const source = wanted[split as "test"]
      if (source === undefined) continue
      const of = Math.min(source.rows, options.rows ?? source.rows)
      const done = (rows: number) => tell({ kind: "evaluating", split: called ?? split, rows, of })
      yield* done(0)
      reports.push({ split, ...(yield* generatedScores(adapted, source, { ...options, done })) })
    }
    return reports
  }).pipe(ofDevice)
