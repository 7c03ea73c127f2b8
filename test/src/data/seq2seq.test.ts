/** Texts with targets: rows that are none, targets that are a closed set, and the batches that they become. */
import { describe, expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Seq2SeqData } from "../../../schemas/index.ts"
import {
  openSeq2Seq,
  padSeq2Seq,
  type Seq2SeqEncoding,
  type Seq2SeqSplit,
  seq2seqEvaluationBatches,
  seq2seqExamples,
  seq2seqTrainingBatches
} from "../../../src/data/seq2seq/index.ts"
import { readGolden } from "../models/golden.ts"
import { failureOf, run, temporaryFiles } from "./files.ts"

const { jsonlOf, fileOf } = temporaryFiles()

const section = (train: string, more: Partial<Seq2SeqData> = {}): Seq2SeqData => ({
  format: "seq2seq",
  train,
  source: "source",
  target: "target",
  maxLength: 16,
  maxTargetLength: 8,
  bucketPool: 4,
  ...more
})
const open = (rows: ReadonlyArray<unknown>, more: Partial<Seq2SeqData> = {}, seed = 0) =>
  openSeq2Seq(section(jsonlOf(rows), more), seed)

const pairs = (count: number, targetOf: (i: number) => unknown) =>
  Array.from({ length: count }, (_, i) => ({ source: `text ${i}`, target: targetOf(i) }))

describe("rows", () => {
  test("what is wrong with each, all at once", async () => {
    const rows = [
      { source: "a", target: "b" },
      { source: " ", target: "b" },
      { source: "a", target: "" },
      { source: "a" },
      { source: 3, target: ["b"] },
      [1]
    ]
    expect(await failureOf(open(rows))).toBe(
      [
        "rows.jsonl: 5 problems:",
        '  rows.jsonl:2: the text "source" is blank',
        '  rows.jsonl:3: the target "target" is blank',
        '  rows.jsonl:4: no target field "target" (found: source)',
        '  rows.jsonl:5: the text "source" is a number, expected a string; the target "target" is a list, expected a string',
        "  rows.jsonl:6: found a list, expected an object"
      ].join("\n")
    )
  })

  test("of CSV, with columns of other names", async () => {
    const file = fileOf("csv", 'question,answer\n"2 + 2, or not?",4\nwho?,me\n')
    const first = await run(
      Effect.flatMap(openSeq2Seq(section(file, { source: "question", target: "answer" }), 0), ({ splits }) =>
        splits.train.read([0, 1])
      )
    )
    expect(first.map(({ text, target }) => [text, target])).toEqual([
      ["2 + 2, or not?", "4"],
      ["who?", "me"]
    ])
  })

  test("numbers and truth values are written as they are", async () => {
    const { targets } = await run(open(pairs(4, (i) => [1, 2.5, true, "x"][i])))
    expect(targets).toEqual(["1", "2.5", "true", "x"])
  })
})

describe("targets", () => {
  test("that are few are a closed set, sorted; more than twenty are any texts", async () => {
    const opened = (different: number) => run(open(pairs(60, (i) => `t${String(i % different).padStart(2, "0")}`)))
    const { targets, describe: described } = await opened(20)
    expect(targets).toEqual(Array.from({ length: 20 }, (_, i) => `t${String(i).padStart(2, "0")}`))
    expect(described()[0]!.classes).toContainEqual({ label: "t19", rows: 3 })
    const any = await opened(21)
    expect(any.targets).toBeNull()
    expect(any.describe()[0]!.classes).toBeUndefined()
  })

  test("of more than twenty kinds that the plan names are a closed set, in its order", async () => {
    const named = Array.from({ length: 30 }, (_, i) => `t${29 - i}`)
    const opened = await run(
      open(
        pairs(60, (i) => `t${i % 30}`),
        { targets: named }
      )
    )
    expect(opened.targets).toEqual(named)
    expect(opened.warnings).toEqual([])
  })

  test("outside of the closed set are told of, with the first", async () => {
    const validation = jsonlOf([
      { source: "other", target: "yes" },
      { source: "more", target: "perhaps" }
    ])
    const { warnings } = await run(
      open(
        pairs(6, (i) => (i % 2 === 0 ? "yes" : "no")),
        { validation }
      )
    )
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(
      /^validation \(.*\): 1 of 2 rows have a target outside data\.targets \(.*:2: "perhaps"\); their evaluations have no macro-F1$/
    )
  })

  test("of a closed set are held out alike, and the most frequent one is known with its shares", async () => {
    // 30 yes, 10 no
    const rows = pairs(40, (i) => (i % 4 === 0 ? "no" : "yes"))
    const { splits, usual } = await run(open(rows, { validation: 0.2 }, 3))
    expect([splits.train.rows, splits.validation!.rows]).toEqual([32, 8])
    const held = await run(
      open(rows, { validation: 0.2 }, 3).pipe(
        Effect.flatMap((own) => own.splits.validation!.read([...Array(8).keys()]))
      )
    )
    expect(held.filter(({ target }) => target === "no")).toHaveLength(2)
    expect(usual).toEqual({ target: "yes", share: { train: 0.75, validation: 0.75 } })
  })

  test("that are any texts have a most frequent one too", async () => {
    const test = jsonlOf([
      { source: "x", target: "again" },
      { source: "y", target: "never seen" }
    ])
    const { usual, targets } = await run(open([...pairs(30, (i) => `t${i}`), ...pairs(3, () => "again")], { test }))
    expect(targets).toBeNull()
    expect(usual).toEqual({ target: "again", share: { train: 3 / 33, test: 0.5 } })
  })

  test("do not keep the same text from being told of", async () => {
    const row = { source: "the same", target: "yes" }
    const { warnings } = await run(open([row, { ...row, target: "no" }, row]))
    expect(warnings[0]).toContain("2 of 3 rows repeat the text of an earlier row")
    expect(warnings[1]).toContain("1 of 3 rows have the same text as an earlier row but another label")
  })
})

/** A token a letter: a is 10. */
const encoding: Seq2SeqEncoding = {
  tokenizer: { encode: (text) => Array.from(text.replaceAll(" ", ""), (letter) => letter.charCodeAt(0) - 87) },
  startId: 2,
  eosId: 1,
  padId: 0,
  maxLength: 6,
  maxTargetLength: 4
}

const examples = (rows: ReadonlyArray<readonly [string, string]>, more: Partial<Seq2SeqEncoding> = {}) =>
  Effect.runSync(
    seq2seqExamples(
      rows.map(([text, target]) => ({ text, target, where: "here" })),
      { ...encoding, ...more }
    )
  )

describe("tokens", () => {
  test("both sides end with the end token, also where they are cut; the prefix comes before the text", () => {
    expect(
      examples([
        ["abc", "x"],
        ["abcdefgh", "uvwxyz"]
      ])
    ).toEqual([
      { source: [10, 11, 12, 1], target: [33, 1] },
      { source: [10, 11, 12, 13, 14, 1], target: [30, 31, 32, 1] }
    ])
    expect(examples([["abc", "x"]], { prefix: "yz " })).toEqual([{ source: [34, 35, 10, 11, 12, 1], target: [33, 1] }])
  })

  test("a tokenizer that refuses a text says where", async () => {
    const refusing = {
      encode: () => {
        throw new Error("too long")
      }
    }
    const error = Effect.runSync(
      Effect.flip(
        seq2seqExamples([{ text: "a", target: "b", where: "x.jsonl:3" }], { ...encoding, tokenizer: refusing })
      )
    )
    expect(error.message).toBe("x.jsonl:3: cannot be tokenized: too long")
  })

  test("what the decoder reads is the target after the start token; padding has no label and is not attended to", () => {
    const { labels, decoderInputIds, attentionMask, inputIds, ...sizes } = padSeq2Seq(
      examples([
        ["a", "xyz"],
        ["abc", "x"]
      ]),
      { ...encoding, padMultiple: 1 }
    )
    expect(sizes).toEqual({ size: 2, sourceLength: 4, targetLength: 4, tokens: 12, counted: 6 })
    expect([...inputIds]).toEqual([10, 1, 0, 0, 10, 11, 12, 1])
    expect([...attentionMask]).toEqual([1, 1, 0, 0, 1, 1, 1, 1])
    expect([...decoderInputIds]).toEqual([2, 33, 34, 35, 2, 33, 1, 0])
    expect([...labels]).toEqual([33, 34, 35, 1, 33, 1, -100, -100])
  })

  test("lengths are multiples of the device's, and no more than the plan's", () => {
    const padded = padSeq2Seq(examples([["ab", "x"]]), { ...encoding, padMultiple: 4 })
    expect([padded.sourceLength, padded.targetLength]).toEqual([4, 4])
    const most = padSeq2Seq(examples([["abcdefgh", "x"]]), { ...encoding, padMultiple: 4 })
    expect([most.sourceLength, most.targetLength]).toEqual([6, 4])
  })

  test("are a batch of transformers', tensor by tensor", async () => {
    const io = await readGolden("models/t5/io.safetensors")
    const row = (name: string, i: number) => {
      const { data, shape } = io.get(name)!
      return [...data.slice(i * shape[1]!, (i + 1) * shape[1]!)]
    }
    const rows = Array.from({ length: io.get("labels")!.shape[0]! }, (_, i) => ({
      source: row("input_ids", i).filter((_, t) => row("attention_mask", i)[t] === 1),
      target: row("labels", i).filter((label) => label !== -100)
    }))
    const batch = padSeq2Seq(rows, { startId: 0, padId: 0, maxLength: 512, maxTargetLength: 512, padMultiple: 1 })
    const same = {
      inputIds: "input_ids",
      attentionMask: "attention_mask",
      decoderInputIds: "decoder_input_ids",
      labels: "labels"
    } as const
    for (const [own, theirs] of Object.entries(same)) {
      expect([...batch[own as keyof typeof same]]).toEqual([...io.get(theirs)!.data])
    }
  })
})

describe("batches", () => {
  /** Row i has i % 5 + 1 letters, and as its target its number's letter. */
  const letters = "abcdefghijklmnopqrst"
  const split: Seq2SeqSplit = {
    rows: letters.length,
    where: "rows",
    read: (indices) =>
      Effect.succeed(
        Array.from(indices, (i) => ({ text: "a".repeat((i % 5) + 1), target: letters[i]!, where: `rows:${i + 1}` }))
      )
  }
  const options = { seed: 1, batchSize: 4, bucketPool: 2, padMultiple: 1 }
  const first = (count: number, start = { epoch: 0, batch: 0 }) =>
    Effect.runPromise(
      seq2seqTrainingBatches(split, encoding, { ...options, start }).pipe(Stream.take(count), Stream.runCollect)
    )
  const targetsOf = ({ labels, size, targetLength }: Awaited<ReturnType<typeof first>>[number]) =>
    Array.from({ length: size }, (_, row) => labels[row * targetLength]!)

  test("of an epoch have every row once, and go on from any of them", async () => {
    const epochs = await first(10)
    expect(
      epochs
        .slice(0, 5)
        .flatMap(targetsOf)
        .sort((a, b) => a - b)
    ).toEqual(letters.split("").map((_, i) => 10 + i))
    expect(epochs.slice(5).flatMap(targetsOf)).not.toEqual(epochs.slice(0, 5).flatMap(targetsOf))
    expect(await first(7, { epoch: 0, batch: 3 })).toEqual(epochs.slice(3))
  })

  test("of an evaluation have every row once, those of like length together", async () => {
    const batches = await Effect.runPromise(
      seq2seqEvaluationBatches(split, encoding, { batchSize: 4, padMultiple: 1 }).pipe(Stream.runCollect)
    )
    const rows = batches.flatMap((batch) => [...batch.rows].map((row, i) => [row, batch.targets[i]] as const))
    expect(rows.toSorted(([a], [b]) => a - b)).toEqual(letters.split("").map((letter, i) => [i, letter]))
    // five lengths of four rows each
    for (const { attentionMask } of batches) expect(attentionMask.every((own) => own === 1)).toBe(true)
    const some = seq2seqEvaluationBatches(split, encoding, { batchSize: 4, padMultiple: 1, rows: 3 })
    expect((await Effect.runPromise(Stream.runCollect(some))).flatMap(({ rows: own }) => [...own]).sort()).toEqual([
      0, 1, 2
    ])
  })
})
