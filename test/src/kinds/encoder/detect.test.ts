/** What rows could teach an encoder, where nothing is named and where something is. */
import { describe, expect, test } from "bun:test"
import {
  detectClasses,
  detectNumbers,
  detectRelated,
  detectSimilarity,
  detectTags
} from "../../../../src/kinds/encoder/detect.ts"
import type { Columns, Detecting, Row } from "../../../../src/suggest/index.ts"

const count = 50
const rowsOf = (made: (i: number) => Row): ReadonlyArray<Row> => Array.from({ length: count }, (_, i) => made(i))
const few = ["gut", "schlecht", "egal"]

const ask = ({ rows }: Detecting, own: ReadonlyArray<Row>, columns: Columns = {}) =>
  rows({ content: "rows", rows: own, train: "rows.csv" }, columns)

/** "text review, label stars: 0.81" of each, and why. */
const classes = (rows: ReadonlyArray<Row>, columns: Columns = {}) =>
  ask(detectClasses, rows, columns).map(({ columns: own, choices, certainty }) => ({
    own,
    certainty: Number(certainty.toFixed(2)),
    why: choices.map(({ path, value, reason }) => `${path} = ${value}: ${reason}`)
  }))

describe("a class", () => {
  test("columns called as a plan calls them need no word", () => {
    const [found] = classes(rowsOf((i) => ({ id: i, text: `a film ${i}`, label: few[i % 3] })))
    expect(found).toEqual({ own: { text: "text", label: "label" }, certainty: 0.85, why: [] })
  })

  test("of a file that is sorted by its classes, whose first rows have one, by a name that means nothing else", () => {
    for (const name of ["label", "Sentiment"]) {
      const [found, ...more] = classes(rowsOf((i) => ({ text: `a film ${i}`, [name]: "good" })))
      expect(found).toMatchObject({ own: { text: "text", label: name } })
      expect(more).toEqual([])
    }
    expect(classes(rowsOf((i) => ({ text: `a film ${i}`, language: "en" })))).toEqual([])
  })

  test("classes of many words, which come back, by that name", () => {
    const long = few.map((name) => `${name}, as far as anyone here can say`)
    const [found] = classes(rowsOf((i) => ({ text: `a film ${i}`, label: long[i % 3] })))
    expect(found).toMatchObject({ own: { text: "text", label: "label" }, certainty: 0.85 })
  })

  test("two columns of which one has few values", () => {
    expect(classes(rowsOf((i) => ({ Bewertung: `Bestellung ${i} kam`, Art: few[i % 3] })))).toEqual([
      {
        own: { text: "Bewertung", label: "Art" },
        certainty: 0.68,
        why: [
          "data.text = Bewertung: the only text column: 17 characters on average",
          "data.label = Art: the only column of few values: 3 values in 50 rows"
        ]
      }
    ])
  })

  test("usual names in whatever case; what is known of where rows are from comes last", () => {
    const found = classes(rowsOf((i) => ({ Review: `film ${i}`, Sentiment: few[i % 3], source: few[i % 2] })))
    expect(found.map(({ own, certainty }) => [own.label, certainty])).toEqual([
      ["Sentiment", 0.81],
      ["source", 0.36]
    ])
  })

  test("numbers as text are no texts, whatever their comma; labels may be numbers", () => {
    const [found, ...more] = classes(rowsOf((i) => ({ preis: `${i},50`, worte: `Tasse ${i}`, sterne: i % 3 })))
    expect(found).toMatchObject({ own: { text: "worte", label: "sterne" } })
    expect(more).toEqual([])
  })

  test("of several texts the longest by far; of texts as long a user is asked", () => {
    const long = "It was a dark night. ".repeat(9)
    const rows = rowsOf((i) => ({ title: `No. ${i}`, story: long + i, topic: few[i % 3] }))
    expect(classes(rows)[0]?.why[0]).toBe(
      'data.text = story: the longest texts by far: 191 characters on average, those of "title" 6'
    )
    const alike = classes(rowsOf((i) => ({ a: `one ${i}`, b: `two ${i}`, c: few[i % 3] })))
    expect(alike.map(({ own, certainty }) => [own.text, certainty])).toEqual([
      ["a", 0.3],
      ["b", 0.3]
    ])
  })

  test("what a user names is taken, and the other is looked for among the rest", () => {
    const rows = rowsOf((i) => ({ a: `one ${i}`, b: `two ${i}`, c: few[i % 3], d: few[i % 2] }))
    expect(classes(rows, { text: "a", label: "c" })).toEqual([
      { own: { text: "a", label: "c" }, certainty: 1, why: [] }
    ])
    expect(classes(rows, { text: "a" }).map(({ own }) => own.label)).toEqual(["c", "d"])
    expect(classes(rows, { label: "c" }).map(({ own }) => own.text)).toEqual(["a", "b"])
  })

  test("two texts by their usual names, and the label next to them; without one, one of the two is it", () => {
    expect(classes(rowsOf((i) => ({ premise: `p ${i}`, hypothesis: `h ${i}`, gold: few[i % 3] })))[0]?.own).toEqual({
      text: "premise",
      textPair: "hypothesis",
      label: "gold"
    })
    const answers = rowsOf((i) => ({ question: `Is it ${i}?`, answer: i % 2 === 0 ? "yes" : "no" }))
    expect(classes(answers)[0]?.own).toEqual({ text: "question", label: "answer" })
    expect(ask(detectRelated, answers)).toEqual([])
  })

  test("keys, measures and texts that are all different are none", () => {
    expect(classes(rowsOf((i) => ({ number: 1000 + i, name: `Anna ${i}` })))).toEqual([])
    expect(classes(rowsOf((i) => ({ text: `a ${i}`, price: i / 3 })))).toEqual([])
  })
})

describe("a number", () => {
  const numbers = (rows: ReadonlyArray<Row>, columns: Columns = {}) =>
    ask(detectNumbers, rows, columns).map(({ columns: own, certainty, sentence }) => ({
      target: own.target,
      certainty: Number(certainty.toFixed(2)),
      sentence
    }))

  test("by its usual name, or as the only column of numbers", () => {
    const rows = rowsOf((i) => ({ description: `wine no. ${i}`, price: (7.5 + i * i).toFixed(2) }))
    expect(numbers(rows)).toEqual([{ target: "price", certainty: 0.81, sentence: "a number: `price`" }])
    expect(numbers(rowsOf((i) => ({ text: `t ${i}`, km: (i * i) % 97 })))[0]?.certainty).toBe(0.68)
  })

  test("few whole numbers are as likely classes, and a user is asked; two or three have no order to speak of", () => {
    const stars = (most: number) => rowsOf((i) => ({ review: `film ${i}`, stars: 1 + (i % most) }))
    const [asClass, asNumber] = [classes(stars(5)), numbers(stars(5))]
    expect(Math.abs(asClass[0]!.certainty - asNumber[0]!.certainty)).toBeLessThan(0.1)
    expect(asClass[0]!.certainty).toBeGreaterThan(asNumber[0]!.certainty)
    expect(numbers(stars(3))).toEqual([])
  })

  test("several that were named; one that was named as the label, if it is no class", () => {
    const rows = rowsOf((i) => ({ text: `t ${i}`, valence: i / 7, arousal: i / 9 }))
    expect(numbers(rows, { target: "valence, arousal" })[0]?.sentence).toBe("numbers: `valence`, `arousal`")
    expect(numbers(rows, { label: "arousal" })[0]?.target).toBe("arousal")
    expect(classes(rows, { label: "arousal" })).toEqual([])
  })
})

describe("several tags", () => {
  const tags = ["pasta", "vegan", "dessert", "meat", "soup"]
  const some = (i: number) => tags.filter((_, at) => (i * 7 + at * 3) % 5 < i % 4)
  const found = (cell: (labels: ReadonlyArray<string>) => unknown, columns: Columns = {}) =>
    ask(
      detectTags,
      rowsOf((i) => ({ recipe: `Boil it for ${i} minutes.`, tags: cell(some(i)) })),
      columns
    )
  const separatorOf = (all: ReturnType<typeof found>) =>
    all[0]?.choices.find(({ path }) => path === "data.labelSeparator")?.value

  const forms: ReadonlyArray<readonly [string, (labels: ReadonlyArray<string>) => unknown, string | undefined]> = [
    ["pipes, as plans have them", (labels) => labels.join("|"), undefined],
    ["commas", (labels) => labels.join(", "), ","],
    ["semicolons", (labels) => labels.join(";"), ";"],
    ["lists", (labels) => labels, undefined],
    ["JSON in cells", (labels) => JSON.stringify(labels), undefined]
  ]
  for (const [name, cell, separator] of forms) {
    test(`${name}, with empty cells; and they are never classes`, () => {
      const all = found(cell)
      expect(all).toHaveLength(1)
      expect(all[0]).toMatchObject({ format: "multi-label", columns: { text: "recipe", label: "tags" } })
      expect(separatorOf(all)).toBe(separator)
      expect(all[0]?.certainty).toBeGreaterThan(0.8)
      expect(all[0]?.example).toMatch(/^“Boil it for \d+ minutes.” → [a-z]+(, [a-z]+)*$/)
      const rows = rowsOf((i) => ({ recipe: `Boil it for ${i} minutes.`, tags: cell(some(i)) }))
      expect(classes(rows)).toEqual([])
    })
  }

  test("classes with a comma in their names stay classes", () => {
    const names = ["Clothing, Shoes", "Home, Garden", "Books", "Toys"]
    const rows = rowsOf((i) => ({ product: `A thing no. ${i}`, department: names[i % 4] }))
    expect(ask(detectTags, rows)).toEqual([])
    expect(classes(rows)[0]?.own.label).toBe("department")
  })

  test("sentences with commas are texts", () => {
    const rows = rowsOf((i) => ({ review: `Good food, slow service, no. ${i}, and loud`, verdict: few[i % 3] }))
    expect(ask(detectTags, rows)).toEqual([])
  })

  test("columns of 0 and 1, which are not classes one by one", () => {
    const rows = rowsOf((i) => ({
      id: i,
      comment: `Comment no. ${i}`,
      rude: i % 2,
      threat: i % 3 === 0,
      spam: `${i % 2}`
    }))
    const [first] = ask(detectTags, rows)
    expect(first?.choices.find(({ path }) => path === "data.labelColumns")?.value).toEqual(["rude", "threat", "spam"])
    expect(first!.certainty - classes(rows)[0]!.certainty).toBeGreaterThan(0.1)
  })
})

describe("texts that belong together", () => {
  const related = (rows: ReadonlyArray<Row>, columns: Columns = {}) => ask(detectRelated, rows, columns)

  test("in which way, their names say", () => {
    const pairs = (one: string, other: string) =>
      related(rowsOf((i) => ({ id: i, [one]: `What is no. ${i}?`, [other]: `It is a long story of ${i}.` })))[0]
        ?.sentence
    expect(pairs("query", "answer")).toBe("which `answer` belongs to which `query`")
    expect(pairs("anchor", "positive")).toBe("which `positive` belongs to which `anchor`")
    expect(pairs("sentence1", "sentence2")).toBe("pairs that mean the same: `sentence1` and `sentence2`")
    expect(pairs("left", "right")).toBeUndefined()
  })

  test("with anything else to learn in the rows they are none", () => {
    expect(related(rowsOf((i) => ({ sentence1: `a ${i}`, sentence2: `b ${i}`, label: i % 2 })))).toEqual([])
  })

  test("a number of two texts says how alike they are", () => {
    const rows = rowsOf((i) => ({ sentence1: `a ${i}`, sentence2: `b ${i}`, score: (i % 11) / 2 }))
    const [alike] = ask(detectSimilarity, rows)
    expect(alike).toMatchObject({ format: "similarity", columns: { score: "score" } })
    expect(alike!.certainty - (ask(detectNumbers, rows)[0]?.certainty ?? 0)).toBeGreaterThan(0.1)
  })
})
