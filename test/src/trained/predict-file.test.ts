/** The columns that predictions of every form become: the same ones for all rows of a run. */
import { expect, test } from "bun:test"
import { columnsSaid } from "../../../src/trained/index.ts"

const said = { text: "a text", logits: {} }

test("a class, its probability and those of all", () => {
  const probabilities = { good: 0.75, bad: 0.25 }
  expect(columnsSaid({ ...said, label: "good", probabilities })).toEqual({
    prediction: "good",
    probability: 0.75,
    probabilities
  })
})

test("several labels have a probability each, whether none, one or more of them are given", () => {
  const probabilities = { spam: 0.75, rude: 0.5 }
  const columns = (labels: ReadonlyArray<string>) =>
    columnsSaid({ ...said, label: labels[0] ?? "none", labels, probabilities })
  const each = { "probability spam": 0.75, "probability rude": 0.5 }
  expect(columns([])).toEqual({ prediction: "", ...each, labels: [] })
  expect(columns(["spam"])).toEqual({ prediction: "spam", ...each, labels: ["spam"] })
  expect(columns(["spam", "rude"])).toEqual({ prediction: "spam, rude", ...each, labels: ["spam", "rude"] })
})

test("a value is a number, several have a column each", () => {
  expect(columnsSaid({ ...said, label: "4.2", values: { stars: 4.1875 } })).toEqual({ prediction: 4.1875 })
  expect(columnsSaid({ ...said, label: "stars 4.2, price 9", values: { stars: 4.1875, price: 9 } })).toEqual({
    prediction: "stars 4.2, price 9",
    "prediction stars": 4.1875,
    "prediction price": 9
  })
})
