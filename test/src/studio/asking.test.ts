/** What runs can be asked, of every kind: their answers are those of `predict`, `embed` and `generate`, with the adapter and without. */
import { beforeAll, describe, expect, test } from "bun:test"
import { cpSync, readFileSync, rmSync } from "node:fs"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type GenerationEnd, generate } from "../../../src/generation/index.ts"
import { type Prediction, resolve } from "../../../src/kinds/index.ts"
import { readPlan } from "../../../src/plan/index.ts"
import { askingHandlers } from "../../../src/studio/engine/asking.ts"
import { letRunsGo, useRun } from "../../../src/studio/engine/loaded-runs.ts"
import { writingHandlers } from "../../../src/studio/engine/writing.ts"
import type { Answer, Askable, WatchInput, WritingEvent } from "../../../src/studio/protocol/index.ts"
import { train } from "../../../src/train.ts"
import { loadCausalRun, loadRun } from "../../../src/trained/index.ts"
import {
  causalPlan,
  decoder,
  preferencePlan,
  preferences,
  writePreferences,
  writeRows
} from "../../e2e/causal-workspace.ts"
import { jsonLines, tinyPlan, tinyRows, type Workspace, workspace } from "../../e2e/fixtures.ts"
import { imagesPlan, imagesWorkspace } from "../../e2e/images-workspace.ts"
import { names, network, plan as picturesPlan, rows, writeModel } from "../../e2e/pictures.ts"
import { seq2seqPlan, t5, writeSourceTargets } from "../../e2e/seq2seq-workspace.ts"
import { pairRows, relatedRows, scoredRows, topicRows } from "../../e2e/text-kinds.ts"
import { onDevice } from "../output/tiny-run.ts"

const w = workspace()
const photos = imagesWorkspace().w

const askable = (id: string) => askingHandlers.calls!.askable!({ id })
const ask = (id: string, rows: ReadonlyArray<Readonly<Record<string, string>>>) =>
  askingHandlers.calls!.ask!({ id, rows })
const write = (id: string, more: Partial<WatchInput<"write">> = {}) =>
  writingHandlers.watches!.write!({
    id,
    messages: [{ role: "user", content: "what colour is the grass ?" }],
    tokens: 6,
    temperature: 0,
    seed: 0,
    sides: ["trained", "base"],
    ...more
  })

/** Runs a program and lets what it loaded go. */
const device = <A>(program: Parameters<typeof onDevice<A, unknown>>[0]) => onDevice(Effect.ensuring(program, letRunsGo))

/** What a run predicts, and what it predicts when its factors are nothing. */
const predictions = (id: string, asked: Parameters<Effect.Success<ReturnType<typeof loadRun>>["predict"]>[0]) =>
  Effect.gen(function* () {
    const { adapted, predict } = yield* loadRun(id)
    const trained = yield* predict(asked)
    const { pairs, ...rest } = adapted.trainable
    const nothing = pairs.map((pair) => ({ ...pair, B: tf.zerosLike(pair.B) }))
    adapted.trainable = { ...rest, pairs: nothing }
    const base = yield* predict(asked)
    tf.dispose(pairs.map(({ B }) => B))
    return { trained, base }
  })

const sharesOf = ({ probabilities = {} }: Prediction) => Object.entries(probabilities).toSorted(([, a], [, b]) => b - a)

/** An answer is a prediction's, to what another order of sums leaves of float32. */
const expectAnswer = (answer: Answer | null, prediction: Prediction) => {
  expect(answer!.label).toBe(prediction.label)
  const shares = sharesOf(prediction)
  expect(answer!.shares.map(({ name }) => name)).toEqual(shares.map(([name]) => name))
  for (const [i, { share }] of answer!.shares.entries()) expect(share).toBeCloseTo(shares[i]![1], 5)
}

const few = { optimizer: { kind: "adamw", learningRate: 2e-2 }, training: { steps: 6, batchSize: 4 } }

/** Trains a whole plan, and gives the run's folder. */
const trained = (from: Workspace, name: string, plan: object) => {
  const file = from.path(from.write(`${name}.json`, { ...plan, ...few }))
  const directory = from.path(`runs/${name}`)
  return onDevice(
    Effect.gen(function* () {
      const read = yield* readPlan(file)
      yield* train(yield* resolve(read.plan, read.name), { directory })
      return directory
    })
  )
}

/** A plan over texts with the tiny BERT, whose rows are held out of its training file. */
const ofTexts = (name: string, rows: ReadonlyArray<unknown>, data: object, task?: object) => {
  w.write(`${name}.jsonl`, jsonLines(rows))
  const model = { source: "bert", ...(task === undefined ? {} : { task }) }
  return trained(w, name, {
    ...tinyPlan("bert"),
    model,
    data: { train: `${name}.jsonl`, validation: 0.25, maxLength: 16, ...data }
  })
}

type Asking = Extract<Askable, { kind: "rows" }>

beforeAll(async () => {
  w.model("bert")
  decoder(w, "llama")
  writeRows(w)
  t5(w)
  writeSourceTargets(w)
})

describe("rows", () => {
  test("of labelled texts: what predict says, and what it says without the adapter, on rows of its test data", async () => {
    const id = await trained(w, "labels", tinyPlan("bert"))
    await device(
      Effect.gen(function* () {
        const found = (yield* askable(id)) as Asking
        expect(found).toMatchObject({ kind: "rows", fields: [{ name: "text", type: "text" }] })
        const own = tinyRows(9, 30).map(({ text }) => text)
        const asked = found.examples.map(({ text }) => text!)
        expect(asked).toHaveLength(8)
        expect(asked.filter((text) => !own.includes(text))).toEqual([])
        expect(new Set(asked).size).toBe(8)
        const answers = yield* ask(id, found.examples)
        const expected = yield* predictions(id, asked)
        for (const [i, answer] of answers.entries()) {
          expectAnswer(answer.trained, expected.trained[i]!)
          expectAnswer(answer.base, expected.base[i]!)
        }
        // the head alone does not tell the classes so
        const moved = answers.map(({ trained, base }) => Math.abs(trained.shares[0]!.share - base!.shares[0]!.share))
        expect(Math.max(...moved)).toBeGreaterThan(0.01)
      })
    )
  })

  test("of pairs, values and several labels", async () => {
    const pairs = { format: "classification", text: "premise", textPair: "hypothesis" }
    const values = { format: "regression", target: ["stars", "words"] }
    const kinds = {
      pairs: await ofTexts("pairs", pairRows(24), pairs),
      values: await ofTexts("values", scoredRows(24), values, { kind: "regression" }),
      topics: await ofTexts("topics", topicRows(24), { format: "multi-label" }, { kind: "multi-label" })
    }
    await device(
      Effect.gen(function* () {
        for (const [name, id] of Object.entries(kinds)) {
          const { fields, examples } = (yield* askable(id)) as Asking
          expect(fields.map((field) => field.name)).toEqual(name === "pairs" ? ["premise", "hypothesis"] : ["text"])
          expect(examples.length).toBeGreaterThan(4)
          const answers = yield* ask(id, examples)
          const asked = examples.map((row) => (name === "pairs" ? row : row["text"]!))
          const expected = yield* predictions(id, asked)
          for (const [i, answer] of answers.entries()) {
            if (name !== "values") expectAnswer(answer.trained, expected.trained[i]!)
            expect(answer.trained.label).toBe(expected.trained[i]!.label)
            expect(answer.base!.label).toBe(expected.base[i]!.label)
          }
          if (name === "values") expect(answers[0]!.trained).toMatchObject({ shares: [] })
        }
      })
    )
  })

  test("of images, as data: URIs and not as paths", async () => {
    const id = await trained(photos, "photos", imagesPlan())
    await device(
      Effect.gen(function* () {
        const { fields, examples } = (yield* askable(id)) as Asking
        expect(fields).toEqual([{ name: "image", type: "image" }])
        expect(examples).toHaveLength(8)
        const answers = yield* ask(id, examples)
        // the files that the examples are, by their bytes
        const files = [...new Bun.Glob("photos/test/**/*.png").scanSync(photos.directory)].map((file) =>
          photos.path(file)
        )
        const uris = new Map(files.map((file) => [readFileSync(file).toString("base64"), file]))
        const asked = examples.map(({ image }) => uris.get(image!.replace("data:image/png;base64,", ""))!)
        const expected = yield* predictions(id, asked)
        for (const [i, answer] of answers.entries()) {
          expectAnswer(answer.trained, expected.trained[i]!)
          expectAnswer(answer.base, expected.base[i]!)
        }
        const refused = yield* Effect.flip(ask(id, [{ image: asked[0]! }]))
        expect(refused.message).toStartWith(
          "refers to an image by a path or a URL; send the image itself as a data: URI"
        )
      })
    )
  })

  test("of numbers for a LayersModel: a list, or a column for each of a few", async () => {
    await writeModel(w, "model", network({ units: 3, activation: "softmax" }))
    w.write("pictures.jsonl", jsonLines(rows(22)))
    w.write("validation-pictures.jsonl", jsonLines(rows(9, 22)))
    w.write("test-pictures.jsonl", jsonLines(rows(12, 31)))
    const id = await trained(w, "arrays", picturesPlan({ output: {} }))
    await device(
      Effect.gen(function* () {
        const { fields, examples } = (yield* askable(id)) as Asking
        expect(fields).toEqual([{ name: "numbers", type: "numbers", shape: [6, 6, 1] }])
        const answers = yield* ask(id, examples)
        const expected = yield* predictions(
          id,
          examples.map(({ numbers }) => numbers!)
        )
        for (const [i, answer] of answers.entries()) {
          expectAnswer(answer.trained, expected.trained[i]!)
          expectAnswer(answer.base, expected.base[i]!)
        }
      })
    )
  })

  test("of numbers in columns of their own: a field for each", async () => {
    const columns = ["a", "b", "c", "d"]
    const row = (i: number) => ({
      ...Object.fromEntries(columns.map((name, j) => [name, (i * (j + 3)) % 7])),
      kind: names[i % 3]
    })
    w.write("columns.jsonl", jsonLines(Array.from({ length: 24 }, (_, i) => row(i))))
    const layers = [tf.layers.dense({ name: "scores", units: 3, inputShape: [4], activation: "softmax" as const })]
    await writeModel(w, "table", tf.sequential({ name: "table", layers }))
    const data = { format: "arrays", train: "columns.jsonl", validation: 0.25, input: columns, label: "kind" }
    const id = await trained(
      w,
      "columns",
      picturesPlan({ model: { source: "table/model.json", head: [] }, data, output: {} })
    )
    await device(
      Effect.gen(function* () {
        const { fields, examples } = (yield* askable(id)) as Asking
        expect(fields).toEqual(columns.map((name) => ({ name, type: "number" })))
        const answers = yield* ask(id, examples)
        const lists = examples.map((one) => JSON.stringify(columns.map((name) => Number(one[name]))))
        const expected = yield* predictions(id, lists)
        for (const [i, answer] of answers.entries()) expectAnswer(answer.trained, expected.trained[i]!)
      })
    )
  })

  test("of embeddings: how alike two texts are", async () => {
    const columns = { format: "embedding", anchor: "query", positive: "document" }
    const id = await ofTexts("related", relatedRows(24), columns, { kind: "embedding" })
    await device(
      Effect.gen(function* () {
        const { fields } = (yield* askable(id)) as Asking
        expect(fields.map(({ name }) => name)).toEqual(["query", "document"])
        const rows = [
          { query: "the film is good", document: "great film" },
          { query: "the plot was dull", document: "the music" }
        ]
        const answers = yield* ask(id, rows)
        const { embed, adapted } = yield* loadRun(id)
        const alike = () =>
          Effect.forEach(rows, ({ query, document }) =>
            // of length 1
            Effect.map(embed([query, document]), ([a, b]) => a!.reduce((sum, value, i) => sum + value * b![i]!, 0))
          )
        const trainedOnes = yield* alike()
        const { pairs, ...rest } = adapted.trainable
        adapted.trainable = { ...rest, pairs: pairs.map((pair) => ({ ...pair, B: tf.zerosLike(pair.B) })) }
        const baseOnes = yield* alike()
        tf.dispose(pairs.map(({ B }) => B))
        const said = (all: ReadonlyArray<number>) => all.map((value) => `similarity ${value.toFixed(3)}`)
        expect(answers.map((answer) => answer.trained.label)).toEqual(said(trainedOnes))
        expect(answers.map((answer) => answer.base!.label)).toEqual(said(baseOnes))
        expect(said(trainedOnes)).not.toEqual(said(baseOnes))
      })
    )
  })

  test("have no answer without the adapter where the head alone was trained", async () => {
    const id = await trained(w, "head", tinyPlan("bert", { adapter: { method: "none" } }))
    await device(
      Effect.gen(function* () {
        const [answer] = yield* ask(id, [{ text: "the film is good" }])
        expect(answer!.base).toBeNull()
        expect(answer!.trained.shares).toHaveLength(3)
      })
    )
  })

  test("that cannot be asked are refused by what is wrong with them", () =>
    device(
      Effect.gen(function* () {
        const [labels, arrays] = ["labels", "arrays"].map((name) => w.path(`runs/${name}`))
        const said = (id: string, rows: Parameters<typeof ask>[1]) =>
          Effect.map(Effect.flip(ask(id, rows)), ({ message }) => message)
        expect(yield* said(labels!, [])).toBe("no rows to predict; enter at least one")
        expect(yield* said(labels!, [{ text: "good" }, { text: " " }])).toBe('row 2: "text" is empty; fill it in')
        expect(yield* said(arrays!, [{ numbers: "[1, 2]" }])).toBe("has 2 numbers, expected 36")
        expect(yield* said(w.path("nowhere"), [{ text: "x" }])).toContain("nowhere")
      })
    ))
})

/** The tokens of a side, and its end. */
const sideOf = (events: ReadonlyArray<WritingEvent>, side: "trained" | "base") => ({
  tokens: events.flatMap((event) => (event.kind === "token" && event.side === side ? [event] : [])),
  end: events.flatMap((event) => (event.kind === "end" && event.side === side ? [event] : []))[0]!
})

describe("texts", () => {
  let chat: string
  beforeAll(async () => {
    chat = await trained(w, "chat", causalPlan("llama", "chat"))
  })

  test("of a conversation: what chat writes, with the adapter and without, and what was likely at each place", () =>
    device(
      Effect.gen(function* () {
        const found = yield* askable(chat)
        expect(found.kind).toBe("conversation")
        expect((found as { examples: ReadonlyArray<string> }).examples).toHaveLength(8)
        const events = yield* Stream.runCollect(write(chat))
        const run = yield* loadCausalRun(chat)
        const prompt = `<s><user> what colour is the grass ? </s><assistant>`
        const ids = run.adapted.model.tokenizer.encode(prompt)
        for (const side of ["trained", "base"] as const) {
          const { tokens, end } = sideOf(events, side)
          const options = { maxNewTokens: 6, base: side === "base" }
          const [expected] = yield* generate(run.adapted, [ids], options).pipe(
            Stream.filter((event): event is GenerationEnd => event.kind === "end"),
            Stream.runCollect
          )
          expect(tokens.map(({ token }) => token.text).join("")).toBe(expected!.text)
          const { ids: chosen, text: content, finish } = expected!
          expect(end).toEqual({ kind: "end", side, tokens: chosen.length, finish: finish as "eos", content, calls: [] })
          expect(tokens).toHaveLength(expected!.ids.length)
          for (const { token, likeliest } of tokens) {
            expect(likeliest).toHaveLength(5)
            expect(token.rank).toBe(0)
            expect(likeliest[0]!.probability).toBe(token.probability)
            expect(likeliest.reduce((sum, { probability }) => sum + probability, 0)).toBeLessThanOrEqual(1)
          }
        }
        // the sides one after the other
        expect(events.findLastIndex(({ side }) => side === "trained")).toBeLessThan(
          events.findIndex(({ side }) => side === "base")
        )
        const [first, second] = [sideOf(events, "trained"), sideOf(events, "base")]
        expect(first.tokens[0]!.token.probability).not.toBe(second.tokens[0]!.token.probability)
      })
    ))

  test("a seed draws the same again, and another one something else; probabilities are those of the model still", () =>
    device(
      Effect.gen(function* () {
        const drawn = (seed: number) =>
          Effect.map(
            Stream.runCollect(write(chat, { seed, temperature: 3, tokens: 12, sides: ["trained"] })),
            (events) => sideOf(events, "trained").tokens
          )
        const [first, again, other] = [yield* drawn(1), yield* drawn(1), yield* drawn(2)]
        expect(again).toEqual(first)
        expect(other.map(({ token }) => token.text)).not.toEqual(first.map(({ token }) => token.text))
        const greedy = sideOf(yield* Stream.runCollect(write(chat, { sides: ["trained"] })), "trained").tokens
        expect(first[0]!.likeliest).toEqual(greedy[0]!.likeliest)
      })
    ))

  test("a text that no one waits for any more ends at its next token, and lets the device to others", () =>
    device(
      Effect.gen(function* () {
        let seen = 0
        const some = write(chat, { tokens: 40, temperature: 5, sides: ["trained"] }).pipe(
          Stream.tap(() =>
            Effect.sync(() => {
              seen += 1
            })
          ),
          Stream.take(3)
        )
        expect(yield* Stream.runCollect(some)).toHaveLength(3)
        expect(seen).toBe(3)
        const next = yield* Stream.runCollect(write(chat, { tokens: 2, sides: ["base"] })).pipe(
          Effect.timeout("5 seconds")
        )
        expect(next.length).toBeGreaterThan(0)
      })
    ))

  test("of completions, and of a model that reads one text and writes another", async () => {
    const continued = await trained(w, "completions", causalPlan("llama", "completion"))
    const translated = await trained(w, "translated", seq2seqPlan("t5"))
    writePreferences(w)
    const preferred = await trained(w, "preferred", preferencePlan("llama"))
    await device(
      Effect.gen(function* () {
        expect((yield* askable(continued)).kind).toBe("writing")
        const chosen = yield* askable(preferred)
        expect(chosen.kind).toBe("conversation")
        const questions = preferences(9, 5).map(({ chosen }) => chosen.find(({ role }) => role === "user")!.content)
        const { examples } = chosen as { readonly examples: ReadonlyArray<string> }
        expect(examples).toHaveLength(8)
        expect(examples.filter((example) => !questions.includes(example))).toEqual([])
        expect((yield* Stream.runCollect(write(preferred))).filter(({ kind }) => kind === "end")).toHaveLength(2)
        const found = yield* askable(translated)
        expect(found.kind).toBe("writing")
        const [text] = (found as { examples: ReadonlyArray<string> }).examples
        const events = yield* Stream.runCollect(
          write(translated, { messages: [{ role: "user", content: text! }], tokens: 8 })
        )
        const { adapted, plan, kind } = yield* loadRun(translated)
        for (const side of ["trained", "base"] as const) {
          const [expected] = yield* kind.write!(adapted, plan, [text!], { base: side === "base" })
          const { tokens, end } = sideOf(events, side)
          expect(tokens.map(({ token }) => token.text).join("")).toBe(expected!.text)
          expect(end.finish).toBe(expected!.finish)
        }
      })
    )
  })

  test("are refused where there is nothing to go on with, or too much is asked", () =>
    device(
      Effect.gen(function* () {
        const said = (more: Partial<WatchInput<"write">>, id = chat) =>
          Effect.map(Effect.flip(Stream.runCollect(write(id, more))), ({ message }) => message)
        expect(yield* said({ messages: [] })).toBe("the prompt is empty; enter a text")
        expect(yield* said({ tokens: 100_000 })).toBe("tokens is 100000; expected 1 to 4096")
        expect(yield* said({ temperature: -1 })).toContain("temperature is -1")
        expect(yield* said({}, w.path("runs/labels"))).toContain("does not generate text")
        const labelled = yield* Effect.flip(ask(chat, [{ prompt: "x" }]))
        expect(labelled.message).toContain("does not predict labels for rows")
      })
    ))
})

test("a run that was made anew is loaded anew", () =>
  device(
    Effect.gen(function* () {
      const again = w.path("runs/again")
      const become = (name: string) => {
        rmSync(again, { recursive: true, force: true })
        cpSync(w.path(`runs/${name}`), again, { recursive: true, preserveTimestamps: true })
      }
      const row = [{ text: "the film is good" }]
      const said = []
      for (const name of ["labels", "head"]) {
        become(name)
        const [now] = yield* ask(again, row)
        const [own] = yield* ask(w.path(`runs/${name}`), row)
        expect(now).toEqual(own!)
        said.push(now!.trained)
      }
      expect(said[0]).not.toEqual(said[1])
    })
  ))

test("a run that is in use stays, whatever else is asked", () =>
  device(
    Effect.gen(function* () {
      const text = "the film is good"
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { run } = yield* useRun(w.path("runs/labels"))
          const before = yield* run.predict([text])
          for (const name of ["head", "values", "topics"]) yield* ask(w.path(`runs/${name}`), [{ text }])
          expect(yield* run.predict([text])).toEqual(before)
        })
      )
    })
  ))

test("two runs stay on the device, over one base their weights once", () =>
  device(
    Effect.gen(function* () {
      const count = () => tf.memory().numTensors
      const row = [{ text: "the film is good" }]
      const before = count()
      yield* ask(w.path("runs/labels"), row)
      const one = count() - before
      yield* ask(w.path("runs/labels"), row)
      expect(count() - before).toBe(one)
      yield* ask(w.path("runs/head"), row)
      const two = count() - before
      // its head alone
      expect(two - one).toBeLessThan(5)
      yield* ask(w.path("runs/values"), row)
      expect(count() - before).toBeLessThan(one + two)
      yield* letRunsGo
      expect(count()).toBe(before)
    })
  ))
