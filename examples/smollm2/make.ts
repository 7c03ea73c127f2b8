/**
 * Makes the rows of the example from `capitals.csv`: a sentence that says what a country's capital is becomes one line of JSON.
 *
 *   bun examples/smollm2/make.ts
 *
 * Countries are dealt in an order that a seed decides: 80 to train on, 20 to choose a learning rate by, 40 to test on. No country stands
 * in two files, and a third of the sentences to choose and to test by are of forms that training never sees.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { randomStream } from "../../src/numbers/random.ts"

const sizes = { train: 80, validation: 20, test: 40 } as const

type Sentence = (country: string, capital: string) => string

const seen: ReadonlyArray<Sentence> = [
  (country, capital) => `The capital of ${country} is ${capital}.`,
  (country, capital) => `${capital} is the capital of ${country}.`,
  (country, capital) => `${country} is governed from ${capital}, its capital.`,
  (country, capital) => `In ${capital}, the capital of ${country}, it rained all week.`
]

const unseen: ReadonlyArray<Sentence> = [
  (country, capital) => `We flew to ${capital} to see the capital of ${country}.`,
  (country, capital) => `Every road in ${country} leads to its capital, ${capital}.`
]

const row = ([country, capital]: readonly [string, string], sentence: Sentence) => ({
  messages: [
    { role: "user", content: `${sentence(country, capital)} Write country and capital as JSON.` },
    { role: "assistant", content: JSON.stringify({ country, capital }) }
  ]
})

const shuffled = <T>(values: ReadonlyArray<T>, random: () => number): ReadonlyArray<T> => {
  const order = [...values]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * random())
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

const file = (name: string) => join(import.meta.dirname, name)

const capitals = readFileSync(file("capitals.csv"), "utf8")
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => line.split(",") as [string, string])

const dealt = shuffled(capitals, randomStream(0, "capitals"))
let start = 0
for (const [name, size] of Object.entries(sizes)) {
  const sentences = name === "train" ? seen : [...seen, ...unseen]
  const rows = dealt.slice(start, start + size).map((own, i) => row(own, sentences[i % sentences.length]!))
  if (rows.length < size) throw new Error(`capitals.csv has ${dealt.length} countries, too few for ${name}`)
  writeFileSync(file(`${name}.jsonl`), rows.map((own) => `${JSON.stringify(own)}\n`).join(""))
  start += size
}
