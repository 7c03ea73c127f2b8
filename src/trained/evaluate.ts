/**
 * Evaluates a trained run on rows: the splits of its plan, or another file with the same columns. Also evaluates what a causal language model
 * generates: compares its answer to each row's prompt with the row's own, and scores it.
 *
 *   a conversation    the messages before the last one are the prompt; the last one, the assistant's, is the expected answer
 *   one with tools    the same for every assistant turn that is trained on: calls are compared, ignoring the order of their arguments
 *   a completion      its prompt, and the completion as the expected answer
 *
 * Loss and perplexity score one token at a time, each after the correct ones; here the model continues its own text. A score is a
 * function: exact match of a solution, or whether a program passes its tests (pass@1).
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
import type { CausalContent, CausalSplit, ToolCall } from "../data/causal/index.ts"
import { AskedSplit, LeakListener } from "../data/index.ts"
import { ofDevice } from "../device/device.ts"
import { type GenerateOptions, type GenerationEnd, GenerationError, generateAll } from "../generation/index.ts"
import type { CausalModel } from "../models/causal/index.ts"
import { inRounds, json, Ranks } from "../ranks/index.ts"
import { evaluateSplit, notice, Progress } from "../run/index.ts"
import { lastNumber } from "../scoring/index.ts"
import { type CallCounts, type CallOutcome, callCounts, judgeCalls } from "./judge-calls.ts"
import { type TypedCounts, type TypedOutcome, typedCounts, typedJudge } from "./judge-typed.ts"
import type { LoadedRun } from "./load-run.ts"
import type { WritingRun } from "./load-trained.ts"
import { type Question, questions } from "./questions.ts"
import { compareRows } from "./run-identity.ts"

/** Returns one report per split; for `file` a single one, whose `split` is "test". Progress events carry the file's name. */
export const evaluateRun = (
  { kind, plan, adapted, steps, inputs }: Pick<LoadedRun, "kind" | "plan" | "adapted" | "steps" | "inputs">,
  file?: string
) =>
  Effect.gen(function* () {
    if (file !== undefined) yield* tellLeaks(plan, file, (withFile) => kind.splits(adapted, withFile))
    const split = file === undefined ? null : "test"
    const splits = yield* kind.splits(adapted, plan, file).pipe(Effect.provideService(AskedSplit, split))
    if (file === undefined) yield* compareRows(inputs, plan, splits)
    const evaluated = file === undefined ? { validation: splits.validation, test: splits.test } : { test: splits.train }
    const called = yield* calledBy(file)
    return yield* Effect.forEach(
      (["validation", "test"] as const).filter((split) => evaluated[split as "test"] !== undefined),
      (split) => evaluateSplit({ kind, adapted, plan, split, source: evaluated[split as "test"]!, called, step: steps })
    )
  }).pipe(ofDevice)

/** Returns the name of a file's rows in messages. */
const calledBy = (file: string | undefined) =>
  Effect.map(Path.Path, (path) => (file === undefined ? undefined : path.basename(file)))

/** Returns the plan with a file's rows as its test split. Held-out training rows stay held out. */
const withTest = <Plan extends RunPlan>(plan: Plan, file: string): Plan => {
  const { validation, ...data } = plan.data
  const heldOut = typeof validation === "number" ? { validation } : {}
  return { ...plan, data: { ...data, ...heldOut, test: file } } as Plan
}

/**
 * Reports how many rows of the test split have a text that the run was trained on, as soon as the files that `open` opens are read. Reports
 * nothing if the training rows can no longer be read.
 */
const tellLeaks = <E, R>(plan: RunPlan, file: string, open: (plan: RunPlan) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    // external adapters have no known training rows
    const path = yield* Path.Path
    if (plan.data.train === path.resolve(file)) return
    const foundLeaks = yield* Deferred.make<ReadonlyArray<string>>()
    const opening = Effect.provideService(open(withTest(plan, file)), LeakListener, (leaks) =>
      Deferred.succeed(foundLeaks, leaks)
    )
    const leaks = yield* Effect.raceFirst(Effect.as(opening, []), Deferred.await(foundLeaks)).pipe(
      Effect.orElseSucceed((): ReadonlyArray<string> => [])
    )
    yield* Effect.forEach(leaks, (message) => notice(`note: ${message}`), { discard: true })
  }).pipe(Effect.scoped)

/** A generated answer to a row's prompt. */
export interface Answer {
  /** place of the row: `test.jsonl:12` */
  readonly where: string
  /** content of the row, its answer included */
  readonly content: CausalContent
  /** expected answer, the row's own */
  readonly expected: string
  /** generated answer */
  readonly text: string
  /** reason that generation ended */
  readonly finish: GenerationEnd["finish"]
  /** calls that the row expects; absent without tools */
  readonly expectedCalls?: ReadonlyArray<ToolCall>
  /** outcome for the expected calls; absent without tools */
  readonly calls?: CallOutcome
  /** outcome under `schema`: validity, and equality with the expected value; absent without a schema or if a call is expected */
  readonly typed?: TypedOutcome
}

export interface ScoredAnswer extends Answer {
  /** score of the answer, by its `Score` */
  readonly score: number
}

/** Scores an answer, from 0 to 1 if its mean is to be a fraction. */
export type Score<E = never, R = never> = (answer: Answer) => Effect.Effect<number, E, R>

export interface GeneratedScores {
  /** number of answers: one per row, or per assistant turn in conversations with tools */
  readonly rows: number
  /** mean score */
  readonly score: number
  /** counts of correct calls and of each error; absent without tools */
  readonly calls?: CallCounts
  /** counts of valid and of equal answers; absent without a schema */
  readonly typed?: TypedCounts
  /** answers, in the order of the rows */
  readonly answers: ReadonlyArray<ScoredAnswer>
}

export interface GeneratedScoreOptions<E, R> extends Omit<GenerateOptions, "first"> {
  /** score; default: correct calls for rows with tools, equal values with a schema, else `exactMatch` */
  readonly score?: Score<E, R>
  /** JSON Schema that every answer should satisfy */
  readonly schema?: unknown
  /** whether to restrict answers to the row's tools and `schema`: a text, or tool calls; default false */
  readonly constrained?: boolean
  /** number of rows, from the first; default: all */
  readonly rows?: number
  /** most answers to generate together; default 32 */
  readonly batchSize?: number
  /** called with the number of rows completed */
  readonly done?: (rows: number) => Effect.Effect<void>
}

/** Returns 1 if both texts are equal except for surrounding white space, else 0. */
export const exactMatch: Score = ({ text, expected }) => Effect.succeed(text.trim() === expected.trim() ? 1 : 0)

/** Returns 1 if the row's calls are made, its answer's value is equal or, without tools and schema, its text is equal; else 0. */
export const rightAnswer: Score = (answer) => {
  if (answer.calls !== undefined) return Effect.succeed(answer.calls === "right" ? 1 : 0)
  if (answer.typed !== undefined) return Effect.succeed(answer.typed.equal ? 1 : 0)
  return exactMatch(answer)
}

/** Returns 1 if both texts end in the same number, as is usual for maths ("… so the answer is: 1,234." and "#### 1234"), else 0. */
export const finalNumber: Score = ({ text, expected }) => {
  const [actual, right] = [lastNumber(text), lastNumber(expected)]
  return Effect.succeed(actual !== undefined && actual === right ? 1 : 0)
}

/**
 * Generates answers to the prompts of a split's rows and scores them. Fails at a row without a prompt or an expected answer. Several
 * ranks divide the generation; each scores all answers.
 */
export const generatedScores = <E = never, R = never>(
  adapted: Adapted<CausalModel>,
  split: Pick<CausalSplit, "rows" | "where" | "read">,
  {
    score,
    schema,
    constrained = false,
    rows = split.rows,
    batchSize = 32,
    done,
    ...options
  }: GeneratedScoreOptions<E, R> = {}
) =>
  Effect.gen(function* () {
    const judge = (score ?? rightAnswer) as Score<E, R>
    const typed = schema === undefined ? undefined : typedJudge(schema)
    if (typed !== undefined && "broken" in typed) return yield* new GenerationError({ problems: [typed.broken] })
    const ask = questions(adapted, { constrained, ...(schema === undefined ? {} : { schema }) })
    const count = Math.min(rows, split.rows)
    const { size: ranks } = yield* Ranks
    // few rows are divided among all ranks
    const together = Math.max(1, Math.min(batchSize, Math.ceil(count / ranks)))
    const answers: Array<ScoredAnswer> = []
    const outcomes: Array<{ readonly outcome: CallOutcome; readonly expected: boolean }> = []
    const batchAt = (start: number) =>
      Effect.gen(function* () {
        const size = Math.min(together, count - start)
        const rows = yield* split.read(Array.from({ length: size }, (_, i) => start + i))
        return { start, rows: size, questions: yield* ask(rows) }
      })
    let read = 0
    const use = ({ questions, rows }: Asking, ends: ReadonlyArray<Ended>) =>
      Effect.gen(function* () {
        for (const [i, { where, content, expected, calls, use, thinking }] of questions.entries()) {
          const { text, finish } = ends[i]!
          const answer: Answer = {
            where,
            content,
            expected,
            text,
            finish,
            ...(use === undefined ? {} : { expectedCalls: calls, calls: judgeCalls(use, calls, text, thinking) }),
            ...(typed === undefined || calls.length > 0 ? {} : { typed: typed(text, expected) })
          }
          answers.push({ ...answer, score: yield* judge(answer) })
          if (answer.calls !== undefined) outcomes.push({ outcome: answer.calls, expected: calls.length > 0 })
        }
        read += rows
        if (done !== undefined) yield* done(read)
      })
    yield* Stream.range(0, Math.ceil(count / together) - 1).pipe(
      // one at a time, so that rows are read on demand
      Stream.rechunk(1),
      Stream.mapEffect((i) => batchAt(i * together)),
      inRounds({
        compute: ({ start, questions }) => textsOf(adapted, questions, { ...options, first: start }),
        as: json<ReadonlyArray<Ended>>(),
        use
      })
    )
    const sum = answers.reduce((total, answer) => total + answer.score, 0)
    const values = answers.flatMap((answer) => answer.typed ?? [])
    const scores: GeneratedScores = {
      rows: answers.length,
      score: sum / answers.length,
      ...(outcomes.length === 0 ? {} : { calls: callCounts(outcomes) }),
      ...(values.length === 0 ? {} : { typed: typedCounts(values) }),
      answers
    }
    return scores
  })

/** Questions of a batch, from row `start` on. */
interface Asking {
  readonly start: number
  readonly rows: number
  readonly questions: ReadonlyArray<Question>
}

type Ended = Pick<GenerationEnd, "text" | "finish">

/** Generates an answer to each prompt, in their order. */
const textsOf = (
  adapted: Adapted<CausalModel>,
  questions: ReadonlyArray<Question>,
  { first = 0, base = false, turn: _turn, promptCache: _cache, ...options }: GenerateOptions
) =>
  Effect.map(
    generateAll(
      adapted,
      questions.map(({ prompt, constraint, use }, i) => ({
        prompt,
        options: {
          ...options,
          first: first + i,
          special: use !== undefined,
          ...(constraint === undefined ? {} : { constraint })
        }
      })),
      { base, texts: Math.max(1, questions.length) }
    ),
    (ends): ReadonlyArray<Ended> => ends.map(({ text, finish }) => ({ text, finish }))
  )

export interface GeneratedReport extends GeneratedScores {
  /** split that the rows belong to */
  readonly split: "validation" | "test"
}

export interface EvaluateGeneratedOptions<E, R> extends Omit<GeneratedScoreOptions<E, R>, "done"> {
  /** file with the plan's columns, used instead of its splits; its report is called "test" */
  readonly file?: string | undefined
}

/** Generates answers to the rows of a trained run's splits, or of another file, and scores them. Returns one report per split. */
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
    if (file !== undefined) yield* tellLeaks(plan, file, (withFile) => generation.splits({ adapted }, withFile))
    const splits = yield* generation.splits({ adapted }, plan, file)
    if (file === undefined) yield* compareRows(inputs, plan, splits)
    const evaluated = file === undefined ? { validation: splits.validation, test: splits.test } : { test: splits.train }
    const called = yield* calledBy(file)
    const reports: Array<GeneratedReport> = []
    for (const split of ["validation", "test"] as const) {
      const source = evaluated[split as "test"]
      if (source === undefined) continue
      const of = Math.min(source.rows, options.rows ?? source.rows)
      const done = (rows: number) => tell({ kind: "evaluating", split: called ?? split, rows, of })
      yield* done(0)
      reports.push({ split, ...(yield* generatedScores(adapted, source, { ...options, done })) })
    }
    return reports
  }).pipe(ofDevice)
