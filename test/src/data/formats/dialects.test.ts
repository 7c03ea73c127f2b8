/** A table reads the same in whatever separator, encoding and packing it is written: the same rows on the same lines. */
import { describe, expect, test } from "bun:test"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Dialect, type Separator, separatorNames, separators } from "../../../../schemas/index.ts"
import {
  DataDialect,
  firstRows,
  openClassification,
  openLabelledFile,
  records,
  rowWriter
} from "../../../../src/data/index.ts"
import { randomStream } from "../../../../src/numbers/random.ts"
import { failureOf, run, temporaryFiles } from "../files.ts"

const { fileOf } = temporaryFiles()

const columns = { text: "text", label: "label" }

const readAll = (path: string, dialect: Dialect = {}) =>
  run(
    Effect.gen(function* () {
      const source = yield* openLabelledFile(path, columns)
      // by position, the last first
      const rows = yield* source.read(Array.from({ length: source.rows }, (_, i) => source.rows - 1 - i))
      return rows.toReversed().map(({ text, label, where }) => ({ text, label, line: Number(where.split(":").at(-1)) }))
    }).pipe(Effect.provideService(DataDialect, dialect))
  )

const swapped = (utf16le: Buffer): Buffer => Buffer.from(utf16le).swap16()
const codepage = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"
const inWindows1252 = (text: string): Buffer =>
  Buffer.from(
    Array.from(text, (letter) => (codepage.includes(letter) ? 0x80 + codepage.indexOf(letter) : letter.charCodeAt(0)))
  )

/** How a text may lie in a file, and what has to be said of it. */
const encoded: Readonly<Record<string, readonly [(text: string) => Buffer, Dialect]>> = {
  "UTF-8": [(text) => Buffer.from(text), {}],
  "UTF-8 with a mark": [(text) => Buffer.from(`\uFEFF${text}`), {}],
  "UTF-16 LE": [(text) => Buffer.from(`\uFEFF${text}`, "utf16le"), {}],
  "UTF-16 BE": [(text) => swapped(Buffer.from(`\uFEFF${text}`, "utf16le")), {}],
  "Windows-1252": [inWindows1252, { encoding: "latin1" }],
  "UTF-8 although latin1 is said": [(text) => Buffer.from(text), { encoding: "latin1" }]
}

const quoted = (field: string, always: boolean, mark: string) =>
  always || /["\r\n]/.test(field) || field.includes(mark) ? `"${field.replaceAll('"', '""')}"` : field

describe.each(Object.entries(encoded))("%s", (_, [bytesOf, dialect]) => {
  test.each(separatorNames)("random fields between each %s", async (separator) => {
    const random = randomStream(1, `dialects ${separator}`)
    const among = <A>(list: ReadonlyArray<A>): A => list[Math.floor(random() * list.length)]!
    const letters = ["a", "ä", "ß", "€", "„", "ÿ", ",", ";", "|", "\t", '"', "\n", "\r\n", " ", "3,5"]
    const field = () => `x${Array.from({ length: Math.floor(random() * 12) }, () => among(letters)).join("")}`
    for (let file = 0; file < 2; file++) {
      const mark = separators[separator]
      const end = among(["\n", "\r\n"])
      const always = random() < 0.5
      const rows = Array.from({ length: 1 + Math.floor(random() * 30) }, () => ({
        text: field(),
        label: among(["gut", "schlägt", "a,b;c"])
      }))
      let line = 2
      const lines = rows.map(({ text }) => {
        const own = line
        line += text.split("\n").length
        return own
      })
      const body = rows.map(({ text, label }) => [text, "7", label].map((one) => quoted(one, always, mark)).join(mark))
      const bytes = bytesOf([["text", "n", "label"].join(mark), ...body, ""].join(end))
      const expected = rows.map((row, i) => ({ ...row, line: lines[i]! }))
      expect(await readAll(fileOf("csv", bytes), dialect)).toEqual(expected)
      expect(await readAll(fileOf(separator === "tab" ? "tsv.gz" : "csv.gz", gzipSync(bytes)), dialect)).toEqual(
        expected
      )
    }
  })

  test("JSON lines", async () => {
    const rows = [
      { text: "größer als „3 €“", label: "ä" },
      { text: "two\nlines", label: "b" }
    ]
    const bytes = bytesOf(rows.map((row) => `${JSON.stringify(row)}\r\n`).join("\n"))
    const expected = rows.map((row, i) => ({ ...row, line: 1 + 2 * i }))
    expect(await readAll(fileOf("jsonl", bytes), dialect)).toEqual(expected)
    expect(await readAll(fileOf("jsonl.gz", gzipSync(bytes)), dialect)).toEqual(expected)
  })
})

test("a letter over the border of two chunks is one letter", async () => {
  for (const [bytesOf, dialect] of Object.values(encoded)) {
    if (bytesOf === inWindows1252) continue
    // four bytes each, that begin beside a multiple of four: every such border is within one
    let head = "a;text;label\n1;x"
    while (bytesOf(head).length % 4 === 0) head += "x"
    const letters = "🎬".repeat(2 ** 18)
    const [row] = await readAll(fileOf("csv", bytesOf(`${head}${letters};l\n`)), dialect)
    expect(row!.text.endsWith(`x${letters}`)).toBe(true)
  }
})

describe("files as programs write them", () => {
  const german =
    'Nr;Bewertung;Sterne;Preis\r\n1;Schöne Tasche, großer Preis;5;12,50 €\r\n2;"sagt ""nein""; dann\r\ndoch";1;3,99 €\r\n'
  const wanted = [
    { Nr: "1", Bewertung: "Schöne Tasche, großer Preis", Sterne: "5", Preis: "12,50 €" },
    { Nr: "2", Bewertung: 'sagt "nein"; dann\r\ndoch', Sterne: "1", Preis: "3,99 €" }
  ]

  test("a German Excel's CSV: semicolons, decimal commas, Windows-1252", async () => {
    const file = fileOf("csv", inWindows1252(german))
    const read = firstRows(file, 9).pipe(Effect.provideService(DataDialect, { encoding: "latin1" }))
    expect(await run(read)).toEqual(wanted)
    expect(await failureOf(openLabelledFile(file, { text: "Bewertung", label: "Sterne" }))).toContain(
      'rows.csv:2: not valid UTF-8; as Windows-1252 it reads "Schöne": if that is right, set data.encoding to "latin1" (of suggest: --encoding); else save the file as UTF-8'
    )
  })

  test("a whole plan's files, each in its own way", async () => {
    const section = {
      ...({ format: "classification", text: "Bewertung", label: "Sterne", maxLength: 32, bucketPool: 8 } as const),
      train: fileOf("csv", inWindows1252(german)),
      test: fileOf("jsonl", JSON.stringify({ Bewertung: "schön", Sterne: 5 })),
      validation: fileOf("tsv", Buffer.from("\uFEFFBewertung\tSterne\r\nnaïve\t1\r\n", "utf16le")),
      encoding: "latin1" as const
    }
    const { splits } = await run(
      Effect.flatMap(openClassification(section, 0), (data) =>
        Effect.map(
          Effect.forEach(Object.values(data.splits), ({ read }) => read([0])),
          (splits) => ({ splits })
        )
      )
    )
    expect(splits.map(([row]) => [row!.text, row!.label])).toEqual([
      ["Schöne Tasche, großer Preis", "5"],
      ["naïve", "1"],
      ["schön", "5"]
    ])
  })

  test("tab-separated values with quotes that quote nothing", async () => {
    const file = fileOf("tsv", 'text\tlabel\na 5" screen, "they" say\tyes\n"quoted"\tno\n"half" quoted\tno\n')
    expect((await readAll(file)).map(({ text }) => text)).toEqual([
      'a 5" screen, "they" say',
      "quoted",
      '"half" quoted'
    ])
  })
})

describe("which separator", () => {
  const found = async (content: string, dialect: Dialect = {}, extension = "csv") =>
    Object.keys(
      (await run(firstRows(fileOf(extension, content), 9).pipe(Effect.provideService(DataDialect, dialect))))[0]!
    )

  test.each<readonly [string, string, ReadonlyArray<string>]>([
    ["one in the header", "a;b\n1,5;2,5\n", ["a", "b"]],
    ["two in the header: rows that fit", "text;a,b\none;2\nthree;4\n", ["text", "a,b"]],
    ["commas in the header alone", "text,a;b\none,2\nthree,4\n", ["text", "a;b"]],
    ["a quoted header", '"a;b";c\n1;2\n', ["a;b", "c"]],
    ["pipes", "a|b|c\n1|2|3\n", ["a", "b", "c"]]
  ])("%s", async (_, content, names) => {
    expect(await found(content)).toEqual([...names])
  })

  test("a single column is a table", async () => {
    expect(await run(firstRows(fileOf("csv", "text\none\ntwo\n"), 9))).toEqual([{ text: "one" }, { text: "two" }])
  })

  test("the columns that are wanted decide before the rows", async () => {
    const file = fileOf("csv", "text;note,label\na;b,c\nd;e,f\n")
    expect(await failureOf(firstRows(file, 9))).toBe(
      "rows.csv:1: its columns seem to be separated by a comma (2) or semicolon (2); name the separator with data.separator (of suggest: --separator)"
    )
    expect(await found("text;note,label\na;b,c\n", { separator: "semicolon" })).toEqual(["text", "note,label"])
    const source = Effect.flatMap(openLabelledFile(file, { text: "text;note", label: "label" }), ({ read }) =>
      read([1])
    )
    expect((await run(source)).map(({ text }) => text)).toEqual(["d;e"])
  })

  test("what is said is looked for first, and no more where the header has none", async () => {
    expect(await found("a;b,c\n1;2,3\n", { separator: "comma" })).toEqual(["a;b", "c"])
    expect(await found("a\tb\n1\t2\n", { separator: "semicolon" })).toEqual(["a", "b"])
    expect(await found("a;b\n1;2\n", {}, "tsv")).toEqual(["a", "b"])
  })

  test("a row of too many columns is told by its separator", async () => {
    expect(await failureOf(openLabelledFile(fileOf("csv", "text;label\na;b;c\n"), columns))).toBe(
      "rows.csv:2: columns: found 3, expected 2 (text, label); a text with semicolons needs quotes"
    )
  })
})

describe("what is written reads back", () => {
  const columns = ["text", "label", "n"]
  const rows = Array.from({ length: 40 }, (_, i) => ({
    text: `${i} ${["plain", 'a "quote"', "a, comma; and\ttab | pipe", "two\nlines", "\r\n", " ends ", "=1+1", "'"][i % 8]}`,
    label: i % 3 === 0 ? "" : "ä€",
    n: String(i)
  }))
  const writtenAs = async (extension: string, separator?: string, marked = false) => {
    const write = await run(rowWriter(`out.${extension}`))
    const { head, row } = write(columns, separator === undefined ? undefined : { columns: [], separator, marked })
    return head + rows.map(row).join("")
  }

  test.each(Object.values(separators))("between each %j", async (separator) => {
    for (const [extension, marked] of [
      ["csv", false],
      ["tsv", true],
      ["jsonl", false]
    ] as const) {
      const content = await writtenAs(extension, separator, marked)
      expect(content.startsWith("\uFEFF")).toBe(marked)
      expect(await run(firstRows(fileOf(extension, content), 99))).toEqual(rows)
    }
    const used = separator === "\t" ? "," : separator
    expect(await writtenAs("csv", separator)).toStartWith(columns.join(used))
  })

  test("other values of JSON lines as text; what a row has not is blank", async () => {
    const { row } = (await run(rowWriter("out.csv")))(["a", "b", "c", "d", "e"])
    expect(row({ a: 1.5, b: null, c: [1, { x: "y" }], d: true })).toBe('1.5,,"[1,{""x"":""y""}]",true,\n')
  })
})

describe("encodings that cannot be read", () => {
  test.each<readonly [string, Uint8Array, string]>([
    [
      "UTF-16 without a mark",
      Buffer.from("text,label\na,b\n", "utf16le"),
      "rows.csv: looks like UTF-16 without a byte order mark; save it with one, or as UTF-8"
    ],
    [
      "half a character of UTF-16",
      Buffer.concat([Buffer.from("\uFEFFtext,label\na,b\n", "utf16le"), Buffer.of(65)]),
      "rows.csv: cannot be read as UTF-16LE"
    ]
  ])("%s", async (_, bytes, message) => {
    expect(await failureOf(openLabelledFile(fileOf("csv", bytes), columns))).toStartWith(message)
    expect(await failureOf(Stream.runDrain(records(fileOf("csv", bytes))))).toStartWith(message)
  })
})

test("every separator has a name in a plan", () => {
  expect(Object.keys(separators)).toEqual([...separatorNames] satisfies ReadonlyArray<Separator>)
})
