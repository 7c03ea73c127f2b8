/** The language of rows: that of files in four languages, and none of names, code, numbers and titles. */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { franc } from "franc-min"
import { includesLanguage, languageNames, languageOf, readings } from "../../../src/data/index.ts"
import { platform } from "../../../src/platform.ts"
import expected from "../../data/front-door/expected.json" with { type: "json" }

const root = join(import.meta.dirname, "../../..")
const door = join(root, "test/data/front-door")

/** All texts of the first rows of a file. */
const textsIn = async (file: string): Promise<ReadonlyArray<string>> => {
  const [reading] = await Effect.runPromise(readings(join(door, file), {}).pipe(Effect.provide(platform)))
  return reading!.rows.map((row) =>
    Object.values(row)
      .filter((value) => typeof value === "string")
      .join(" ")
  )
}

/** Those that are not in English; undefined: without a language, or in two. */
const others: Readonly<Record<string, string | undefined>> = {
  "kritiken.csv": "German",
  "critiques.tsv": "French",
  "opiniones.csv": "Spanish",
  "translations.tsv": undefined,
  "questions.json": undefined,
  "chats.jsonl": undefined,
  "sharegpt.json": undefined,
  "iris.csv": undefined,
  "members.csv": undefined,
  shapes: undefined,
  "signs.zip": undefined,
  "pictures/labels.csv": undefined
}

test.each(Object.keys(expected))("%s", async (file) => {
  expect(languageOf(await textsIn(file), franc)).toBe(Object.hasOwn(others, file) ? others[file] : "English")
})

const lines = (file: string) => readFileSync(join(root, file), "utf8").split("\n").slice(0, 100)

const without: Readonly<Record<string, ReadonlyArray<string>>> = {
  "names of people":
    "Anna Berg|Luca Conti|Mei Lin|Omar Aziz|Priya Nair|Kofi Mensah|Juan Garcia|Pierre Dubois|Greta Schmidt|Yuki Tanaka|Olga Petrov|Jan Kowalski|Ingrid Jensen|Ivan Novak|Fatima Haddad|Sofia Rossi|Chen Wei|Maria Silva|Hans Weber|Eva Lund|Tom Hale|Paul Murphy|Ahmed Khan|Ines Costa".split(
      "|"
    ),
  "titles of films":
    "La La Land|Amélie|Das Boot|Roma|Parasite|The Godfather|Alien|Casablanca|Psycho|Vertigo|Fargo|Memento|Heat|Amadeus|Gladiator|Titanic|Avatar|Inception|Interstellar|Oldboy|Ran|Ikiru|Metropolis|Nosferatu|Stalker|Solaris|Mirror|Persona".split(
      "|"
    ),
  products:
    "iPhone 15 Pro 256GB|Samsung Galaxy S24 Ultra|Nike Air Max 90|Sony WH-1000XM5 headphones|Bosch GSR 18V drill|Lego Technic 42083|USB-C cable 2m braided|Logitech MX Master 3S|Kärcher K5 pressure washer|Philips Hue starter kit|Dyson V11 Absolute|Adidas Predator boots|Weber Spirit grill|KitchenAid Artisan mixer|Nespresso Vertuo Pop|Canon EOS R6 body|GoPro Hero 12 Black|Nintendo Switch OLED|Bose QuietComfort Ultra|Makita DHP485Z combi drill|Stanley Quencher tumbler|Patagonia Nano Puff|Levi's 501 jeans".split(
      "|"
    ),
  numbers: Array.from({ length: 60 }, (_, i) => `${31.7 * i} ${i} 2024-01-${i}`),
  addresses: Array.from({ length: 60 }, (_, i) => `https://example.com/p/${i}?q=abc user${i}@example.org @someone`),
  "a few words": ["Sehr gut", "Nie wieder", "Viel zu teuer"]
}

test.each(Object.keys(without))("%s are in no language", (name) => {
  expect(languageOf(without[name]!, franc)).toBeUndefined()
})

test("code is in no other language than English", () => {
  for (const file of ["src/kernels/c/attention.h", "test/e2e/layers_peft.py", "src/suggest/rules.ts"])
    expect([undefined, "English"]).toContain(languageOf(lines(file), franc))
})

describe("languages of model cards", () => {
  test("are codes, tags and words", () => {
    expect(languageNames(["en", "de-AT", "fra", "French"])).toEqual(["English", "German", "French", "French"])
    expect(languageNames([])).toEqual([])
  })

  test("say nothing where one of them is not a language", () => {
    for (const other of ["multilingual", "mul", "code", ""]) expect(languageNames(["en", other])).toBeUndefined()
  })

  test("include what they are families of", () => {
    expect(includesLanguage(["English", "Norwegian"], "Norwegian Bokmål")).toBe(true)
    expect(includesLanguage(["English"], "German")).toBe(false)
  })
})
