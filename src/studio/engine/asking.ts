/** What a finished run says of rows that a reader gives it, and what it would say without its adapter. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { switchedOff } from "../../../adapters/index.ts"
import { limit, overLimit, score } from "../../boundary/index.ts"
import { ofDevice } from "../../device/device.ts"
import type { Asked, AskedField, Prediction } from "../../kinds/index.ts"
import type { LoadedRun } from "../../trained/index.ts"
import type { Answer, AnswerPair, Askable, Input } from "../protocol/index.ts"
import type { EngineNeeds, Handlers } from "./handlers.ts"
import { useRun } from "./loaded-runs.ts"

/** Rows that cannot be asked. */
export class AskRefused extends Schema.TaggedError<AskRefused>()("AskRefused", { message: Schema.String }) {}

type Row = Readonly<Record<string, string>>

const EXAMPLES = 8

/** Rows of its own data that it was not trained on, where there are some; none where they are not to be read any more. */
const examplesOf = ({ kind, adapted, plan }: LoadedRun) =>
  Effect.gen(function* () {
    const splits = yield* kind.splits(adapted, plan)
    const source = splits.test ?? splits.validation ?? splits.train
    const count = Math.min(EXAMPLES, source.rows)
    // from all over it: rows are often sorted by their labels
    const rows = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * source.rows) / count))
    return yield* kind.asking!.examples(source, plan, rows)
  }).pipe(
    Effect.scoped,
    Effect.orElseSucceed(() => [])
  )

const askableOf = (run: LoadedRun, examples: ReadonlyArray<Row>): Askable => {
  const { kind, adapted, plan } = run
  if (kind.asking === undefined) {
    return {
      kind: "nothing",
      why: `Runs of data.format "${plan.data.format}" cannot be tried here: their models do not predict single rows.`
    }
  }
  const fields = kind.asking.fields(adapted, plan)
  const texts = examples.map((row) => row[fields[0].name] ?? "")
  if (kind.generation?.writing(run).chat === true) {
    const tools = examples.map((row) => row["tools"] ?? "")
    return { kind: "conversation", examples: texts, ...(tools.some((list) => list !== "") ? { tools } : {}) }
  }
  if (kind.generation !== undefined || kind.writeObserved !== undefined) return { kind: "writing", examples: texts }
  return { kind: "rows", fields, examples }
}

/** A row as kinds take it: a single field without its name. */
const askedOf = (fields: ReadonlyArray<AskedField>, row: Row): Asked =>
  fields.length === 1 ? row[fields[0]!.name]! : row

const checked = ({ kind, adapted, plan }: LoadedRun, fields: ReadonlyArray<AskedField>, rows: ReadonlyArray<Row>) =>
  Effect.gen(function* () {
    if (rows.length === 0) return yield* new AskRefused({ message: "no rows to predict; enter at least one" })
    if (rows.length > limit("serve-rows"))
      return yield* new AskRefused({ message: `found ${rows.length} rows, more than ${overLimit("serve-rows")}` })
    for (const [i, row] of rows.entries()) {
      const refused = (reason: string) =>
        new AskRefused({ message: rows.length === 1 ? reason : `row ${i + 1}: ${reason}` })
      for (const { name, type } of fields) {
        const text = row[name]
        if (text === undefined || text.trim() === "") return yield* refused(`"${name}" is empty; fill it in`)
        if (type !== "image" && text.length > limit("serve-characters"))
          return yield* refused(`"${name}" is longer than ${overLimit("serve-characters")}`)
      }
      const input = askedOf(fields, row)
      const image = kind.images?.pixels(plan, input)
      if (image !== undefined && "broken" in image) return yield* refused(image.broken)
      const problem = kind.problemOf?.(adapted, plan, input)
      if (problem !== undefined) return yield* refused(problem)
    }
  })

// more are no picture that anyone looks at
const MOST_SHARES = 20

const answerOf = ({ label, probabilities = {} }: Prediction): Answer => ({
  label,
  shares: Object.entries(probabilities)
    .map(([name, share]) => ({ name, share }))
    .toSorted((a, b) => b.share - a.share)
    .slice(0, MOST_SHARES)
})

/** Of two vectors. */
const cosine = (a: Float32Array, b: Float32Array): number => {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

type Used = Pick<LoadedRun, "kind" | "plan" | "adapted">

/** Cosine similarity of the two texts of each row. */
const similarities = ({ kind, plan, adapted }: Used, fields: ReadonlyArray<AskedField>, rows: ReadonlyArray<Row>) =>
  Effect.map(
    kind.embed!(
      adapted,
      plan,
      rows.flatMap((row) => fields.map(({ name }) => row[name]!))
    ),
    (vectors) =>
      rows.map((_, i): Answer => {
        const [first, second] = vectors.slice(i * fields.length)
        return { label: `similarity ${score(cosine(first!, second!))}`, shares: [] }
      })
  )

const answersOf = (inUse: Used, fields: ReadonlyArray<AskedField>, rows: ReadonlyArray<Row>) => {
  const { kind, plan, adapted } = inUse
  if (kind.problemOf === undefined) return similarities(inUse, fields, rows)
  const inputs = rows.map((row) => askedOf(fields, row))
  return Effect.map(kind.predict(adapted, plan, inputs), (predictions) => predictions.map(answerOf))
}

const ask = ({ id, rows, sides = ["trained", "base"] }: Input<"ask">) =>
  Effect.gen(function* () {
    const { run, turn } = yield* useRun(id)
    const { kind, plan, adapted } = run
    const fields = kind.asking?.fields(adapted, plan) ?? []
    if (fields.length === 0 || (kind.problemOf === undefined && kind.embed === undefined))
      return yield* new AskRefused({ message: `${id} does not predict labels for rows; it generates text` })
    yield* checked(run, fields, rows)
    const trained = yield* turn(answersOf(run, fields, rows))
    const off = sides.includes("base") ? switchedOff(adapted) : null
    const base = off === null ? null : yield* turn(answersOf({ kind, plan, adapted: off }, fields, rows))
    return trained.map((answer, i): AnswerPair => ({ trained: answer, base: base?.[i] ?? null }))
  }).pipe(Effect.scoped, ofDevice)

export const askingHandlers: Partial<Handlers<EngineNeeds>> = {
  calls: {
    askable: ({ id }) =>
      Effect.gen(function* () {
        const { run } = yield* useRun(id)
        return askableOf(run, run.kind.asking === undefined ? [] : yield* examplesOf(run))
      }).pipe(Effect.scoped, ofDevice),
    ask
  }
}
