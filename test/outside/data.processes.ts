/**
 * Data files that are made to take all memory, all of a disk or for ever: each is answered with one sentence, in a process of its own
 * that stays below a gigabyte and ten seconds of computing.
 */
import { beforeAll, expect, test } from "bun:test"
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { createGzip, zstdCompressSync } from "node:zlib"
import { cli, TIMEOUT, tinyPlan, workspace } from "../e2e/fixtures.ts"
import {
  type Chunk,
  codecs,
  dictionaryPage,
  encodings,
  page,
  parquetFile,
  plainText,
  textElement,
  varint
} from "../hostile-parquet.ts"

const w = workspace()
beforeAll(() => {
  w.model("bert")
  w.write("plan.json", tinyPlan("bert"))
})

/** What the command line says of rows, and what it took. */
const validated = (train: string) => {
  const command = [process.execPath, cli, "validate", "plan.json", "--set", `data.train=${train}`]
  const { stdout } = Bun.spawnSync([process.execPath, join(import.meta.dir, "measured.ts"), ...command], {
    cwd: w.directory
  })
  return JSON.parse(stdout.toString())
}

/** Writes a part again and again. */
const repeated = (name: string, head: string, part: Buffer, times: number) => {
  const file = openSync(w.path(name), "w")
  writeSync(file, head)
  for (let i = 0; i < times; i++) writeSync(file, part)
  closeSync(file)
}

const mebibyte = 2 ** 20
const xs = Buffer.alloc(mebibyte, "x")

/** The same packed by gzip. */
const packed = async (name: string, head: string, part: Buffer, times: number) => {
  const gzip = createGzip({ level: 9 })
  const parts: Array<Buffer> = []
  const all = (async () => {
    for await (const bytes of gzip) parts.push(bytes)
  })()
  gzip.write(head)
  for (let i = 0; i < times; i++) if (!gzip.write(part)) await new Promise((resolve) => gzip.once("drain", resolve))
  gzip.end()
  await all
  writeFileSync(w.path(name), Buffer.concat(parts))
}

const row = '{"text":"a fine film","label":"good"}\n'
const schema = [textElement("text"), textElement("label")]
const zstd = (raw: Uint8Array, values: number) => page(zstdCompressSync(raw), { size: raw.length, values })
const one: Chunk = { pages: [page(plainText("good"), { size: 8, values: 1 })], values: 1 }

const files: Readonly<Record<string, { readonly write: () => unknown; readonly says: string }>> = {
  "a line of 2 GB": {
    write: () => repeated("rows.jsonl", '{"text":"', xs, 2_048),
    says: "rows.jsonl:1: the row is longer than 4,194,304 bytes (limit row-bytes; TFJS_LORA_PRO_LIMITS=row-bytes=N raises it)"
  },
  "a quote that is not closed before 2 GB": {
    write: () => repeated("rows.csv", 'text,label\n"', Buffer.alloc(mebibyte, "x,\n"), 2_048),
    says: "rows.csv:2: the row is longer than 4,194,304 bytes (limit row-bytes;"
  },
  "a gigabyte of one line in a megabyte of gzip": {
    write: () => packed("rows.jsonl.gz", '{"text":"', xs, 1_024),
    says: "rows.jsonl.gz: its contents are larger than the file by more than 100 times (limit unpacked-ratio; TFJS_LORA_PRO_LIMITS=unpacked-ratio=N raises it)"
  },
  "a gigabyte of rows in a few megabytes of gzip": {
    write: () => packed("rows.jsonl.gz", "", Buffer.from(row.repeat(mebibyte / row.length)), 1_024),
    says: "rows.jsonl.gz: its contents are larger than the file by more than 100 times (limit unpacked-ratio;"
  },
  "200 million blank lines": {
    write: () => repeated("rows.jsonl", "", Buffer.alloc(mebibyte, "\n"), 200),
    says: "rows.jsonl: the file has no rows; at least one is needed"
  },
  "500,000 rows that are wrong": {
    write: () => repeated("rows.jsonl", "", Buffer.from('{"text": 1\n'.repeat(1_000)), 500),
    says: "rows.jsonl: 500,000 problems, 10 of them:"
  },
  "400,000 names in a header": {
    write: () => writeFileSync(w.path("rows.csv"), `${Array.from({ length: 4e5 }, (_, i) => `c${i}`).join()}\n1\n`),
    says: "rows.csv:1: the file has 400,000 columns, more than 10,000 entries (limit columns; TFJS_LORA_PRO_LIMITS=columns=N raises it)"
  },
  "a row of four million fields": {
    write: () => writeFileSync(w.path("rows.csv"), `text,label\n${",".repeat(4e6)}\n`),
    says: "rows.csv:2: columns: found 4000001, expected 2 (text, label)"
  },
  "a row of 300,000 keys": {
    write: () =>
      writeFileSync(
        w.path("rows.jsonl"),
        JSON.stringify(Object.fromEntries(Array.from({ length: 3e5 }, (_, i) => [`k${i}`, 1])))
      ),
    says: 'rows.jsonl:1: no text field "text" (found: k0, k1,'
  },
  "a million different labels": {
    write: () =>
      writeFileSync(
        w.path("rows.jsonl"),
        Array.from({ length: 1e6 }, (_, i) => `{"text":"a","label":${i}}\n`).join("")
      ),
    says: "rows.jsonl: more than 65535 different labels; is this the right label column?"
  },
  "60,000 different labels": {
    write: () =>
      writeFileSync(
        w.path("rows.jsonl"),
        Array.from({ length: 6e4 }, (_, i) => `{"text":"a","label":${i}}\n`).join("")
      ),
    says: "rows.jsonl: 60,000 different labels, more than 2,048 entries (limit classes; TFJS_LORA_PRO_LIMITS=classes=N raises it)"
  },
  "Parquet: eight texts of 400 MB in 100 kB of zstd, of which the footer says nothing": {
    write: () => {
      const text = {
        pages: Array(8).fill(zstd(plainText(new Uint8Array(4e8).fill(120)), 1)),
        values: 8,
        codec: codecs.zstd,
        size: 100
      }
      writeFileSync(w.path("rows.parquet"), parquetFile(schema, [{ rows: 8, chunks: { text, label: one } }]))
    },
    says: "rows.parquet: cannot be read as parquet: it has a row group that unpacks to more than 536,870,912 bytes (limit parquet-group-bytes;"
  },
  "Parquet: 50 million rows in a run of 200 bytes": {
    write: () => {
      const [rows, body] = [5e7, Uint8Array.of(1, ...varint(1e8), 0)]
      const first = dictionaryPage(plainText("good"), { size: 8, values: 1 })
      const text = {
        pages: [first, page(body, { size: body.length, values: rows, encoding: encodings.dictionary })],
        values: rows,
        dictionary: true
      }
      writeFileSync(w.path("rows.parquet"), parquetFile(schema, [{ rows, chunks: { text, label: text } }]))
    },
    says: "rows.parquet: cannot be read as parquet: it has a row group of more than 8,388,608 entries (limit parquet-group-values;"
  },
  "Parquet: 30,000 row groups": {
    write: () => {
      const groups = Array.from({ length: 30_000 }, () => ({ rows: 1, chunks: { text: one, label: one } }))
      writeFileSync(w.path("rows.parquet"), parquetFile(schema, groups))
    },
    says: '(2 rows, this is the first) is not among the classes; the training rows have "good"'
  },
  "Parquet: 70,000 row groups": {
    write: () => {
      const groups = Array.from({ length: 70_000 }, () => ({ rows: 1, chunks: { text: one, label: one } }))
      writeFileSync(w.path("rows.parquet"), parquetFile(schema, groups))
    },
    says: "rows.parquet: cannot be read as parquet: its footer holds more than 2,097,152 entries (limit parquet-footer-values;"
  }
}

test.each(Object.entries(files))(
  "%s",
  async (_, { write, says }) => {
    await write()
    const { code, stderr, megabytes, seconds } = validated(/^rows[.a-z]*/.exec(says)?.[0] ?? "rows.parquet")
    expect(stderr).toContain(says)
    expect(stderr.length).toBeLessThan(2_000)
    // the other splits have labels that these rows do not have
    expect(code).toBe(1)
    expect(megabytes).toBeLessThan(1_000)
    expect(seconds).toBeLessThan(10)
  },
  TIMEOUT
)
