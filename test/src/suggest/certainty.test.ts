/**
 * How sure kinds are of rows, on one scale: of the files in test/data/front-door, what is said with a certainty is so about as often; each
 * kind finds its own, none claims another's, and what is chosen by its flags is found again.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { kinds } from "../../../src/kinds/index.ts"
import { platform } from "../../../src/platform.ts"
import {
  CLEAR,
  type Detection,
  detect,
  flagsOf,
  type Learnable,
  type Looked,
  sectionsOf,
  sure
} from "../../../src/suggest/index.ts"
import expected from "../../data/front-door/expected.json" with { type: "json" }

const folder = join(import.meta.dirname, "../../data/front-door")

interface Answer {
  readonly format: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What a file should teach: one thing, or several of which a user is asked. */
const answersOf = (file: string): ReadonlyArray<Answer> => {
  const wanted = (expected as unknown as Record<string, Partial<Answer> & { readonly ask?: ReadonlyArray<Answer> }>)[
    file
  ]!
  return wanted.ask ?? [wanted as Answer]
}

const look = (looked: Looked) => Effect.runPromise(Effect.result(detect(kinds, looked)).pipe(Effect.provide(platform)))

const of = (file: string, more: Partial<Looked> = {}): Looked => ({
  models: [],
  data: join(folder, file),
  columns: {},
  dialect: {},
  ...more
})

/** A value as a plan has it: places of splits are in the folder. */
const placed = (field: string, value: unknown): unknown =>
  ["train", "validation", "test"].includes(field) ? join(folder, String(value)) : value

const isRight = (learnable: Learnable, answers: ReadonlyArray<Answer>): boolean => {
  const data: Readonly<Record<string, unknown>> = sectionsOf(learnable).data
  return answers.some(
    (answer) =>
      // a folder of images is one to either kind of model
      learnable.format.replace("image-arrays", "images") === answer.format &&
      Object.entries(answer.data).every(([field, value]) => Bun.deepEquals(data[field] ?? field, placed(field, value)))
  )
}

const found = new Map<string, Detection>()
const each = Object.keys(expected)

beforeAll(async () => {
  for (const file of each) {
    const result = await look(of(file))
    if (Result.isSuccess(result)) found.set(file, result.success)
  }
})

const all = () =>
  [...found].flatMap(([file, { learnables }]) =>
    learnables.map((own) => ({ file, own, right: isRight(own, answersOf(file)) }))
  )

test("most files say something", () => {
  expect(found.size).toBeGreaterThan(30)
})

describe("certainty is the share of what is so", () => {
  const share = (from: number, to: number) => {
    const some = all().filter(({ own: { certainty } }) => certainty >= from && certainty < to)
    return { of: some.length, right: some.filter(({ right }) => right).length / some.length }
  }

  test("no part of the scale promises more than it keeps", () => {
    expect(share(CLEAR.from, 1.01).of).toBeGreaterThan(30)
    for (const [from, to] of [
      [0.3, CLEAR.from],
      [CLEAR.from, 0.8],
      [0.8, 1.01]
    ] as const)
      expect([from, share(from, to).right >= from]).toEqual([from, true])
  })

  test("every one is from the scale, or a product of what has to be true together", () => {
    const steps: ReadonlyArray<number> = Object.values(sure)
    expect(steps.toSorted((a, b) => b - a)).toEqual([...steps])
    for (const { own } of all()) {
      expect(own.certainty).toBeGreaterThan(0)
      expect(own.certainty).toBeLessThanOrEqual(1)
    }
  })
})

test("each kind finds its own, and none claims another's", () => {
  for (const [file, { learnables, clear }] of found) {
    const answers = answersOf(file)
    if (!clear) continue
    expect([file, isRight(learnables[0]!, answers)]).toEqual([file, true])
    const rivals = learnables.slice(1).filter((own) => own.format !== learnables[0]!.format && own.certainty > 0.5)
    expect([file, rivals.map(({ sentence }) => sentence)]).toEqual([file, []])
  }
})

test("what is chosen by its flags is found again, clearly, and is the same", async () => {
  for (const { file, own } of all()) {
    const again = await look(of(file, { format: own.format, columns: own.columns }))
    const { learnables, clear } = Result.getOrThrow(again)
    expect([file, flagsOf(own), clear]).toEqual([file, flagsOf(own), true])
    expect([file, sectionsOf(learnables[0]!).data]).toEqual([file, sectionsOf(own).data])
  }
})

test("every answer has a sentence, an example of the rows and a model, or what is needed of one", () => {
  for (const { own } of all()) {
    expect(own.sentence).not.toBe("")
    expect(own.example).toContain("“")
    expect("needs" in own.model && own.model.needs).toContain("--model ")
  }
})
