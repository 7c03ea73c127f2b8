/**
 * Rows of any shape against a schema of each library that speaks Standard Schema: the same rows, the same verdicts,
 * each one's words.
 */
import { describe, expect, test } from "bun:test"
import { type } from "arktype"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type { StandardSchemaV1 } from "effect/StandardSchema"
import * as Stream from "effect/Stream"
import * as v from "valibot"
import * as z from "zod"
import { DataFiles, fileOfBytes, type Placed, placed, records, rows, validated } from "../../../src/data/index.ts"
import { failureOf, temporaryFiles } from "./files.ts"

const { fileOf, jsonlOf, folder } = temporaryFiles()

interface Review {
  readonly review: string
  readonly stars: number
  readonly tags?: ReadonlyArray<string> | undefined
}

/** The same demand in each library: a text, one to five stars, perhaps tags. */
const libraries = {
  zod: z.object({ review: z.string().min(1), stars: z.int().min(1).max(5), tags: z.array(z.string()).optional() }),
  valibot: v.object({
    review: v.pipe(v.string(), v.minLength(1)),
    stars: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(5)),
    tags: v.optional(v.array(v.string()))
  }),
  arktype: type({ review: "string >= 1", stars: "1 <= number.integer <= 5", "tags?": "string[]" }),
  effect: Schema.toStandardSchemaV1(
    Schema.Struct({
      review: Schema.NonEmptyString,
      stars: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
      tags: Schema.optionalKey(Schema.Array(Schema.String))
    })
  )
} satisfies { readonly [library: string]: StandardSchemaV1<unknown, Review> }

const fitting: ReadonlyArray<Review> = [
  { review: "a fine film", stars: 5 },
  { review: "a bore", stars: 1, tags: ["long", "dull"] },
  { review: "x".repeat(1000), stars: 3 }
]

/** Each with what is wrong with it: its place in the row, and what the message says is there. */
const unfit: ReadonlyArray<readonly [row: unknown, problems: ReadonlyArray<string>]> = [
  [{ review: "", stars: 9 }, ['review: found ""', "stars: found 9"]],
  [{ review: "x", stars: "four" }, ['stars: found "four"']],
  [{ review: "x" }, ["stars: missing"]],
  ["a text alone", ['found "a text alone"']],
  [{ review: "x", stars: 2, tags: ["a", 3] }, ["tags.1: found 3"]],
  [{ review: "x", stars: 2.5 }, ["stars: found 2.5"]],
  [{ review: null, stars: 0 }, ["review: found null", "stars: found 0"]]
]

const collect = <A, E>(stream: Stream.Stream<A, E>) => Effect.runPromise(Stream.runCollect(stream))
const valuesOf = <A>(some: ReadonlyArray<Placed<A>>): ReadonlyArray<A> => some.map(({ value }) => value)
/** The problems of an error's message, without its first line and without the library's own words. */
const problemsIn = (message: string) =>
  message
    .split("\n")
    .slice(1)
    .map((line) => line.slice(2).split(";")[0]!)

describe.each(Object.entries(libraries))("%s", (_, schema: StandardSchemaV1<unknown, Review>) => {
  test("rows that fit come through, in order, each with its line", async () => {
    const path = fileOf("jsonl", `\n${fitting.map((row) => JSON.stringify(row)).join("\n\n")}\n`)
    const found = await collect(rows(path, schema))
    expect(valuesOf(found)).toEqual(fitting)
    expect(found.map(({ where }) => where.split(":").at(-1))).toEqual(["2", "4", "6"])
  })

  test("every issue of every other row, with line, place and what is there", async () => {
    const path = jsonlOf([...fitting, ...unfit.map(([row]) => row)])
    const message = await failureOf(Stream.runDrain(rows(path, schema)))
    const expected = unfit.flatMap(([, problems], i) =>
      problems.map((one) => `rows.jsonl:${fitting.length + i + 1}: ${one}`)
    )
    expect(message.split("\n")[0]).toBe(`rows.jsonl: ${expected.length} problems:`)
    expect(problemsIn(message)).toEqual(expected)
    // and then the library's own words
    for (const line of message.split("\n").slice(1)) expect(line.split("; ")[1]).toMatch(/\w{4}/)
  })

  test("the same from a stream of values, without a file", async () => {
    const values = Stream.fromIterable<unknown>([...fitting, ...unfit.map(([row]) => row)])
    const message = await failureOf(values.pipe(placed("reviews"), validated(schema), Stream.runDrain))
    expect(problemsIn(message)[0]).toBe('reviews[3]: review: found ""')
    expect(message).toStartWith(`reviews: ${unfit.flatMap(([, problems]) => problems).length} problems:`)
    const good = await collect(Stream.fromIterable<unknown>(fitting).pipe(placed("reviews"), validated(schema)))
    expect(good.map(({ where }) => where)).toEqual(["reviews[0]", "reviews[1]", "reviews[2]"])
  })
})

test("the libraries' own words stand behind what was found", async () => {
  const path = jsonlOf([{ review: "x", stars: "four" }])
  const messages = await Promise.all(
    Object.values(libraries).map((schema) => failureOf(Stream.runDrain(rows(path, schema))))
  )
  expect(messages).toEqual([
    'rows.jsonl:1: stars: found "four"; Invalid input: expected number, received string',
    'rows.jsonl:1: stars: found "four"; Invalid type: Expected number but received "four"',
    'rows.jsonl:1: stars: found "four"; stars must be a number (was a string)',
    'rows.jsonl:1: stars: found "four"; Expected number'
  ])
})

/** "3" → 3: what comes out is the schema's output, in type and value. */
const counting = {
  zod: z.object({ n: z.string().transform(Number) }),
  valibot: v.object({ n: v.pipe(v.string(), v.transform(Number)) }),
  arktype: type({ n: "string.numeric.parse" }),
  effect: Schema.toStandardSchemaV1(Schema.Struct({ n: Schema.FiniteFromString }))
}

test("columns of CSV are strings until a schema makes something else of them; types follow the schema", async () => {
  const path = fileOf("csv", 'n,ignored\n3,"a, b"\n4.5,c\n')
  expect(valuesOf(await collect(records(path)))).toEqual([
    { n: "3", ignored: "a, b" },
    { n: "4.5", ignored: "c" }
  ])
  const sum = (some: ReadonlyArray<Placed<{ readonly n: number }>>) =>
    some.reduce((total, { value }) => total + value.n, 0)
  expect(sum(await collect(rows(path, counting.zod)))).toBe(7.5)
  expect(sum(await collect(rows(path, counting.valibot)))).toBe(7.5)
  expect(sum(await collect(rows(path, counting.arktype)))).toBe(7.5)
  expect(sum(await collect(rows(path, counting.effect)))).toBe(7.5)
  // @ts-expect-error the schema gives numbers
  const _: Stream.Stream<Placed<{ readonly n: string }>, unknown> = rows(path, counting.zod)
})

/** How many are asked for at this moment, and at most so far. */
const asked = { now: 0, most: 0 }

/** Known ids, asked for elsewhere. */
const known = async (id: number): Promise<boolean> => {
  asked.now++
  asked.most = Math.max(asked.most, asked.now)
  await Bun.sleep(5)
  asked.now--
  return id < 40
}

const asynchronous = {
  zod: z.object({ id: z.number().refine(known, "unknown id") }),
  valibot: v.objectAsync({ id: v.pipeAsync(v.number(), v.checkAsync(known, "unknown id")) }),
  effect: Schema.toStandardSchemaV1(
    Schema.Struct({
      id: Schema.Finite.pipe(
        Schema.decode({
          decode: SchemaGetter.checkEffect((id: number) =>
            Effect.map(
              Effect.promise(() => known(id)),
              (yes) => (yes ? undefined : "unknown id")
            )
          ),
          encode: SchemaGetter.passthrough()
        })
      )
    })
  )
}

describe.each(Object.entries(asynchronous))(
  "validators that take their time: %s",
  (_, schema: StandardSchemaV1<unknown, { readonly id: number }>) => {
    test("are waited for, several at once, and keep the order", async () => {
      const ids = Array.from({ length: 40 }, (_, id) => ({ id }))
      asked.most = 0
      expect(valuesOf(await collect(Stream.fromIterable(ids).pipe(placed("ids"), validated(schema))))).toEqual(ids)
      // zod asks twice about a value whose check turns out to take its time
      expect([16, 32]).toContain(asked.most)
      const message = await failureOf(Stream.runDrain(rows(jsonlOf([{ id: 39 }, { id: 40 }, { id: 41 }]), schema)))
      expect(message).toContain(
        "2 problems:\n  rows.jsonl:2: id: found 40; unknown id\n  rows.jsonl:3: id: found 41; unknown id"
      )
    })
  }
)

const standard = (validate: StandardSchemaV1.Props["validate"]): StandardSchemaV1 => ({
  "~standard": { version: 1, vendor: "test", validate }
})

describe("a schema of one's own", () => {
  const one = Stream.make<[unknown]>({ a: { b: 1 } }).pipe(placed("rows"))
  const failing = (validate: StandardSchemaV1.Props["validate"]) =>
    failureOf(one.pipe(validated(standard(validate)), Stream.runDrain))

  test("that throws, or whose promise is rejected, is told from a row that does not fit", async () => {
    const message = "rows[0]: the schema threw an error: no connection"
    const fail = () => {
      throw new Error("no connection")
    }
    expect(await failing(fail)).toBe(message)
    expect(await failing(async () => fail())).toBe(message)
  })

  test("paths of keys and of segments, messages of several lines", async () => {
    const issues = [
      { message: "wrong\n  here", path: [{ key: "a" }, "b"] },
      { message: "and here", path: ["a", "none", "b"] }
    ]
    expect(await failing(() => ({ issues }))).toBe(
      "rows: 2 problems:\n  rows[0]: a.b: found 1; wrong here\n  rows[0]: a.none.b: missing; and here"
    )
  })

  test("a value that JSON cannot show is shown all the same", async () => {
    const circle: { self?: unknown } = {}
    circle.self = circle
    const schema = standard(() => ({ issues: [{ message: "no", path: ["self"] }] }))
    const stream = Stream.make<[unknown]>(circle).pipe(placed("rows"), validated(schema), Stream.runDrain)
    expect(await failureOf(stream)).toBe("rows[0]: self: found an object; no")
  })
})

describe("a file", () => {
  const anything = standard((value) => ({ value }))

  test("is checked as a whole before the first row, for rows that cannot be read as for rows that do not fit", async () => {
    // 3 MB: the first broken row lies in the third chunk that is read
    const line = JSON.stringify({ review: "x".repeat(1000), stars: 3 })
    const path = fileOf("jsonl", `${`${line}\n`.repeat(3000)}{"review": "x", "stars": 6}\nnot JSON\n`)
    let taken = 0
    const stream = rows(path, libraries.zod).pipe(Stream.runForEach(() => Effect.sync(() => taken++)))
    expect(await failureOf(stream)).toBe(
      [
        "rows.jsonl: 2 problems:",
        "  rows.jsonl:3001: stars: found 6; Too big: expected number to be <=5",
        "  rows.jsonl:3002: not JSON; write the row as one object on its line, with double quotes and no comma after it: not JSON"
      ].join("\n")
    )
    expect(taken).toBe(0)
  })

  test("in one pass, of any size: rows before the broken stretch are used", async () => {
    const line = JSON.stringify({ review: "x".repeat(1000), stars: 3 })
    const path = fileOf("jsonl", `${`${line}\n`.repeat(3000)}{"review": "x", "stars": 6}\n`)
    let taken = 0
    const stream = records(path).pipe(
      validated(libraries.zod),
      Stream.runForEach(() => Effect.sync(() => taken++))
    )
    expect(await failureOf(stream)).toBe("rows.jsonl:3001: stars: found 6; Too big: expected number to be <=5")
    expect(taken).toBeGreaterThan(2000)
  })

  test("with a thousand broken rows spells out ten", async () => {
    const lines = (
      await failureOf(Stream.runDrain(rows(fileOf("jsonl", "{}\n".repeat(1000)), libraries.valibot)))
    ).split("\n")
    expect(lines).toHaveLength(11)
    expect(lines[0]).toBe("rows.jsonl: 2,000 problems, 10 of them:")
  })

  test("run twice gives the same rows twice", async () => {
    const stream = rows(jsonlOf(fitting), libraries.arktype)
    expect(valuesOf<Review>(await collect(stream))).toEqual(fitting)
    expect(valuesOf<Review>(await collect(stream))).toEqual(fitting)
  })

  test.each([
    ["missing", () => `${folder}/none.jsonl`, "/none.jsonl: no such file (looked for /none.jsonl)"],
    ["blank", () => fileOf("jsonl", "\n \n"), "rows.jsonl: the file has no rows; at least one is needed"],
    ["without rows", () => fileOf("csv", "a,b\n"), "rows.csv: the file has no rows; at least one is needed"],
    [
      "with two columns of a name",
      () => fileOf("csv", "a,b,a\n1,2,3\n"),
      'rows.csv:1: the header names the column "a" 2 times'
    ],
    [
      "with a row of too many columns",
      () => fileOf("csv", "a,b\n1,2,3\n"),
      "rows.csv:2: columns: found 3, expected 2 (a, b); a text with commas needs quotes"
    ],
    [
      "of an unknown format",
      () => "rows.txt",
      "rows.txt: the extension .txt does not say which format the file has; expected .jsonl, .ndjson (one object per line), .json (a list of objects), .csv, .tsv, .conll, .iob2 or .bio (a word and its label per line), each also as .gz, or .parquet"
    ]
  ])("%s", async (_, path, message) => {
    expect(await failureOf(Stream.runDrain(rows(path(), anything)))).toBe(message)
  })

  test("in memory, where a program opens files itself", async () => {
    const bytes = new TextEncoder().encode('{"n": "1"}\n{"n": "2"}')
    const memory = Layer.succeed(DataFiles, (path) => Effect.succeed(fileOfBytes(path, bytes)))
    const found = await Effect.runPromise(
      Stream.runCollect(rows("numbers.jsonl", counting.zod)).pipe(Effect.provide(memory))
    )
    expect(found).toEqual([
      { value: { n: 1 }, where: "numbers.jsonl:1" },
      { value: { n: 2 }, where: "numbers.jsonl:2" }
    ])
  })
})
