/**
 * Asks a trained language model and its base model the rows of a suite, at the same seeds, and scores both: a mean for each metric with its
 * interval, and the paired difference of the two.
 *
 *   record      every answer is written to it when its text ends, so that a stopped evaluation continues with the rows that are left
 *   ranks       each computes a share of the answers; the first keeps the record
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Suite } from "../../schemas/index.ts"
import { type Message, tokenized } from "../data/causal/index.ts"
import { DataError, isBroken, mostProblems } from "../data/index.ts"
import { Device, ofDevice } from "../device/device.ts"
import { sha256 } from "../files/index.ts"
import { conversation, generateAll } from "../generation/index.ts"
import { adapterFiles, modelInputs, recordOf, runFolder } from "../output/index.ts"
import { inRounds, json, Ranks } from "../ranks/index.ts"
import {
  canonical,
  majority,
  passAtK,
  type Record,
  type RowMean,
  readShots,
  readSuiteRows,
  rowMean,
  type Scorer,
  type SuiteRow,
  scorers
} from "../scoring/index.ts"
import { isAdapter } from "./load-adapter.ts"
import type { WritingRun } from "./load-trained.ts"

/** The two models that answer: the base model with its adapter, and alone. */
const answering = ["adapter", "base"] as const
/** One of the two models that answer. */
export type AnsweringModel = (typeof answering)[number]

/** Schema of a generated text on record. */
export const SuiteText = Schema.Struct({
  text: Schema.String,
  finish: Schema.Literals(["eos", "stop", "length"])
})
/** A generated text, and the reason that generation ended. */
export type SuiteText = typeof SuiteText.Type

/** An answer of one of the models to a row. */
export interface SuiteAnswer extends SuiteText {
  /** place of the row: `test.jsonl:12` */
  readonly where: string
  /** number of the sample of this row, from 0 */
  readonly sample: number
  /** model that answered */
  readonly model: AnsweringModel
  /** expected answer */
  readonly expected: string
  /** scores from 0 to 1, by the names of the scorer's metrics */
  readonly scores: { readonly [metric: string]: number }
}

/** A metric of both models. */
export interface SuiteMetric {
  /** mean of the model with its adapter */
  readonly adapter: RowMean
  /** mean of the base model */
  readonly base: RowMean
  /** mean of the rows' differences, adapter − base */
  readonly difference: RowMean
}

/** Scores of a suite. */
export interface SuiteReport {
  /** name of the suite */
  readonly suite: string
  /** number of rows */
  readonly rows: number
  /** number of solved rows shown before each question */
  readonly shots: number
  /** number of samples per row */
  readonly samples: number
  /**
   * means by metric, the suite's most important first. With several samples, of the first metric also `pass@k` (one of k samples is right)
   * and, if the scorer takes votes, `majority`
   */
  readonly metrics: { readonly [metric: string]: SuiteMetric }
  /** every answer: by model, by row, by sample */
  readonly answers: ReadonlyArray<SuiteAnswer>
}

/** A record of the texts of a run. */
export interface SuiteRecord {
  /** the open record */
  readonly texts: Record<SuiteText>
  /** what decides the run's texts besides the suite: its `suiteIdentity` */
  readonly identity: string
}

/** Options for running a suite. `R`: what the scorer needs. */
export interface RunSuiteOptions<R = never> {
  /** number of rows, from the first; default: all */
  readonly rows?: number | undefined
  /** file with the suite's columns, used instead of its rows */
  readonly file?: string | undefined
  /** number of solved rows shown before each question; default: the suite's */
  readonly shots?: number | undefined
  /** samples per row; default 1 */
  readonly samples?: number
  /** temperature; default 0: greedy, whose samples are all the same */
  readonly temperature?: number
  /** seed of the samples; default 0 */
  readonly seed?: number
  /** most tokens of an answer; default: the suite's */
  readonly maxNewTokens?: number | undefined
  /** scorer; default: the one that the suite names */
  readonly scorer?: Scorer<R>
  /** record of texts; default: none */
  readonly record?: SuiteRecord | undefined
  /** called with the number of answers, of all that will be */
  readonly done?: (answers: number, of: number) => Effect.Effect<void>
}

/** Answers per rank between two exchanges of several ranks. */
const ROUND = 64

/** Returns what decides a run's texts besides the suite: its weights and its adapter, by content hash, and the device. `location`: the run's or adapter's folder. */
export const suiteIdentity = (location: string, { plan, inputs }: Pick<WritingRun, "plan" | "inputs">) =>
  Effect.gen(function* () {
    const adapter = (yield* isAdapter(location)) ? location : (yield* runFolder(location)).adapter
    const files = [...(yield* modelInputs(plan.model.source, inputs)), ...(yield* adapterFiles(adapter))]
    const { backend } = yield* Device
    return canonical([backend, recordOf(files)])
  })

/** Asks both models the rows of a suite, and scores their answers. */
export const runSuite = <R = never>(
  { adapted, system }: Pick<WritingRun, "adapted" | "system">,
  suite: Suite,
  {
    rows: most,
    file,
    shots: shotCount = suite.shots?.count ?? 0,
    samples = 1,
    temperature = 0,
    seed = 0,
    maxNewTokens = suite.maxNewTokens,
    record,
    done = () => Effect.void,
    ...options
  }: RunSuiteOptions<R> = {}
) =>
  Effect.gen(function* () {
    const scorer = (options.scorer ?? scorers[suite.scorer]) as Scorer<R>
    const { rank, size } = yield* Ranks
    yield* scorer.prepare ?? Effect.void
    const shots = yield* readShots(suite, shotCount)
    const rows = yield* readSuiteRows(suite, most, file)
    const prompts = yield* promptsOf(adapted, { system, ...suite }, shots, shotCount, rows)
    const decoding = { maxNewTokens, temperature, seed, stop: suite.stop }
    const asked = answering.flatMap((model) =>
      rows.flatMap((row, at) =>
        Array.from({ length: samples }, (_, sample) => {
          const first = at * samples + sample
          // the index of a sample decides its random numbers, which greedy decoding has none of
          const key = [record?.identity, model, prompts[at], decoding, temperature === 0 ? 0 : first]
          return { row, model, sample, first, prompt: prompts[at]!, key: hashed(key) }
        })
      )
    )
    // greedy samples of a row are one text
    const unique = [...new Map(asked.map((one) => [one.key, one])).values()]
    const found = unique.flatMap(({ key }) => {
      const text = record?.texts.find(key)
      return text === undefined ? [] : [[key, text] as const]
    })
    const texts = new Map(yield* fromFirst(found))
    const keep = (key: string, text: SuiteText) =>
      record === undefined || rank > 0 ? Effect.void : record.texts.add(key, text)
    const todo = unique.filter(({ key }) => !texts.has(key))
    const total = todo.length
    let count = 0
    yield* done(0, total)
    const batches = answering.flatMap((model) => {
      const all = todo.filter((one) => one.model === model)
      const each = size === 1 ? all.length : Math.min(ROUND, Math.ceil(all.length / size))
      return Array.from({ length: each === 0 ? 0 : Math.ceil(all.length / each) }, (_, i) => ({
        model,
        batch: all.slice(i * each, (i + 1) * each)
      }))
    })
    yield* Stream.fromIterable(batches).pipe(
      Stream.rechunk(1),
      inRounds({
        compute: ({ model, batch }) =>
          Effect.map(
            generateAll(
              adapted,
              batch.map(({ prompt, first }) => ({ prompt, options: { ...decoding, first } })),
              {
                base: model === "base",
                ended: (i, { text, finish }) =>
                  size > 1 ? Effect.void : Effect.andThen(keep(batch[i]!.key, { text, finish }), done(++count, total))
              }
            ),
            (ends): ReadonlyArray<SuiteText> => ends.map(({ text, finish }) => ({ text, finish }))
          ),
        as: json<ReadonlyArray<SuiteText>>(),
        use: ({ batch }, ends) =>
          Effect.gen(function* () {
            for (const [i, { key }] of batch.entries()) {
              texts.set(key, ends[i]!)
              yield* keep(key, ends[i]!)
            }
            count = size > 1 ? count + batch.length : count
            yield* done(count, total)
          })
      })
    )
    const answers = yield* Effect.forEach(
      asked,
      ({ key, row: { where, row, expected }, model, sample }) =>
        Effect.gen(function* () {
          const { text, finish } = texts.get(key)!
          const scores = yield* scorer.score({ where, row, form: suite.form, text, expected })
          const answer: SuiteAnswer = { where, sample, model, expected, text, finish, scores }
          return answer
        }),
      { concurrency: scorer.concurrency ?? 1 }
    )
    const report: SuiteReport = {
      suite: suite.name,
      rows: rows.length,
      shots: shotCount,
      samples,
      metrics: metricsOf(scorer, samples, answers),
      answers
    }
    return report
  }).pipe(ofDevice)

/** Returns what the first rank has, on all. */
const fromFirst = <A>(value: A) =>
  Effect.gen(function* () {
    const { rank, size, allGather } = yield* Ranks
    if (size === 1) return value
    const message = json<A>()
    const all = yield* allGather(rank === 0 ? message.write(value) : new Uint8Array())
    return message.read(all[0]!)
  })

const hashed = (value: unknown): string => sha256().update(JSON.stringify(value)).digest("hex")

/** Returns the tokens of the rows' prompts. Fails with all rows whose prompt cannot be made. */
const promptsOf = (
  { model }: WritingRun["adapted"],
  { name, form, system }: Pick<Suite, "name" | "form"> & { readonly system?: string | undefined },
  shots: ReadonlyArray<SuiteRow>,
  count: number,
  rows: ReadonlyArray<SuiteRow>
) =>
  Effect.gen(function* () {
    const { tokenizer, maxLength, source } = model
    const problems: Array<string> = []
    const prompts: Array<ReadonlyArray<number>> = []
    for (const { where, row, question } of rows) {
      const same = canonical(row)
      const shown = shots.filter((shot) => canonical(shot.row) !== same).slice(0, count)
      const messages: ReadonlyArray<Message> = [
        ...shown.flatMap((shot) => [...shot.question, { role: "assistant", content: shot.expected }]),
        ...question
      ]
      const text = [
        ...shown.map((shot) => `${shot.question[0]!.content} ${shot.expected}\n\n`),
        question[0]!.content
      ].join("")
      const ids =
        form === "text"
          ? tokenized(tokenizer, text, { special: true })
          : yield* Effect.flatMap(
              conversation(tokenizer, { ...(messages[0]!.role === "system" ? {} : { system }), messages }),
              ({ prompt }) => prompt
            )
      if (isBroken(ids)) problems.push(`${where}: the prompt ${ids.broken}`)
      else if (ids.length >= maxLength)
        problems.push(
          `${where}: the prompt has ${ids.length} tokens, but ${source} was made for ${maxLength}; show fewer rows`
        )
      else prompts.push(ids)
    }
    if (problems.length === 0) return prompts
    return yield* new DataError({ where: name, problems: problems.slice(0, mostProblems), total: problems.length })
  })

const metricsOf = <R>(scorer: Scorer<R>, samples: number, answers: ReadonlyArray<SuiteAnswer>) => {
  const perRow = (model: AnsweringModel) => {
    const all = answers.filter((answer) => answer.model === model)
    return Array.from({ length: all.length / samples }, (_, row) => all.slice(row * samples, (row + 1) * samples))
  }
  const models = { adapter: perRow("adapter"), base: perRow("base") }
  const of = (value: (samples: ReadonlyArray<SuiteAnswer>) => number): SuiteMetric => {
    const [adapter, base] = [models.adapter.map(value), models.base.map(value)]
    return {
      adapter: rowMean(adapter),
      base: rowMean(base),
      difference: rowMean(adapter.map((score, row) => score - base[row]!))
    }
  }
  const names = Object.keys(scorer.metrics)
  const first = names[0]!
  const mean = (name: string) => of((row) => row.reduce((sum, { scores }) => sum + scores[name]!, 0) / samples)
  const right = (row: ReadonlyArray<SuiteAnswer>) => row.filter(({ scores }) => scores[first] === 1).length
  const { vote } = scorer
  return Object.fromEntries([
    ...names.map((name) => [name, mean(name)] as const),
    ...(samples === 1 ? [] : [[`pass@${samples}`, of((row) => passAtK(samples, right(row), samples))] as const]),
    ...(samples === 1 || vote === undefined
      ? []
      : [
          [
            "majority",
            of((row) => majority(row.map(({ text, scores }) => ({ vote: vote(text), score: scores[first]! }))))
          ] as const
        ])
  ])
}
