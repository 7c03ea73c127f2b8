/** Which window has a word's output: laws over random texts; and the words of plain texts. */
import { expect, test } from "bun:test"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { windowBatches, withPlaces } from "../../../../../src/kinds/encoder/token-classification/windows.ts"
import { textOfWords, wordsOfText } from "../../../../../src/kinds/encoder/token-classification/words-of-text.ts"
import { randomStream } from "../../../../../src/numbers/index.ts"

/** Windows of words of these lengths in tokens, between two special tokens, as `encodeWords` makes them. */
const windowsOf = (lengths: ReadonlyArray<number>, room: number, stride: number) => {
  const tokens = lengths.flatMap((length, word) => Array<number>(length).fill(word))
  const windows: Array<ReadonlyArray<number>> = []
  for (let start = 0; start === 0 || start + stride < tokens.length; start += room - stride)
    windows.push([-1, ...tokens.slice(start, start + room), -1])
  return windows.map((words) => ({ ids: words, typeIds: words, words }))
}

test("every word with a token has one output, at its first token, where most is around it", () => {
  const random = randomStream(39, "windows")
  const chance = (least: number, most: number) => least + Math.floor(random() * (most - least + 1))
  for (let round = 0; round < 500; round++) {
    const lengths = Array.from({ length: chance(1, 40) }, () => chance(0, 4))
    const room = chance(3, 12)
    const stride = chance(0, room - 1)
    const windows = windowsOf(lengths, room, stride)
    const placed = withPlaces(windows, stride)
    const places = placed.flatMap(({ places }, window) => places.map((place) => ({ ...place, window })))
    expect(places.map(({ word }) => word).sort((a, b) => a - b)).toEqual(
      lengths.flatMap((length, word) => (length > 0 ? [word] : []))
    )
    const starts = lengths.map((_, word) => lengths.slice(0, word).reduce((sum, length) => sum + length, 0))
    const inside = windows.map(({ words }) => words.length - 2)
    for (const { token, word, window } of places) {
      const at = (other: number) => starts[word]! - other * (room - stride)
      expect(token - 1).toBe(at(window))
      const around = (other: number) => Math.min(at(other), inside[other]! - 1 - at(other))
      expect(around(window)).toBe(Math.max(...windows.map((_, other) => around(other))))
    }
  }
})

test("the first token of a word has its label, or all of them; special tokens, padding and words of other windows have none", async () => {
  const rows = [
    { words: ["ab", "c", "def"], labels: ["x", "y", "x"] },
    { words: ["a"], labels: ["y"] }
  ].map((row, i) => ({ ...row, text: row.words.join(" "), where: `row ${i}` }))
  const source = {
    rows: 2,
    where: "rows",
    read: (indices: ArrayLike<number>) => Effect.succeed(Array.from(indices, (i) => rows[i]!))
  }
  const tokenizer = {
    encode: () => ({ ids: [], typeIds: [] }),
    encodeWords: (words: ReadonlyArray<string>, maxLength: number, stride = 0) =>
      windowsOf(
        words.map(({ length }) => length),
        maxLength - 2,
        stride
      ),
    padId: 0,
    vocabularySize: 9
  }
  const labelsOf = async (all: boolean, maxLength: number) => {
    const reading = { tokenizer, labels: ["x", "y"], all, maxLength, stride: 0 }
    const batches = windowBatches(source, reading, { batchSize: 9, maxLength })
    const [batch, ...more] = await Effect.runPromise(Stream.runCollect(batches))
    expect(more).toEqual([])
    const { labels, size, length, counted, finished } = batch!
    expect(finished.map(({ index }) => index)).toEqual([0, 1])
    expect(counted).toBe(labels.filter((label) => label >= 0).length)
    return Array.from({ length: size }, (_, i) => [...labels.subarray(i * length, (i + 1) * length)])
  }
  const none = -100
  expect(await labelsOf(false, 8)).toEqual([
    [none, 1, none, none, none, none, none, none],
    [none, 0, none, 1, 0, none, none, none]
  ])
  expect(await labelsOf(true, 8)).toEqual([
    [none, 1, none, none, none, none, none, none],
    [none, 0, 0, 1, 0, 0, 0, none]
  ])
  // "def" begins in the first window and ends in the second, which has no word of its own
  expect(await labelsOf(true, 7)).toEqual([
    [none, 1, none, none, none, none, none],
    [none, 0, 0, 1, 0, 0, none]
  ])
})

test("words of a text are its letters, its numbers and each other character, at their places", () => {
  const texts: Readonly<Record<string, ReadonlyArray<string>>> = {
    "Anna Lind lives in New York.": ["Anna", "Lind", "lives", "in", "New", "York", "."],
    "Anna's flat (No. 12-B) isn't 1,234.5 m²!": [
      ...["Anna", "'s", "flat", "(", "No", ".", "12-B", ")", "is", "n't", "1,234.5", "m²", "!"]
    ],
    "O’Brien said: «naïve»": ["O’Brien", "said", ":", "«", "naïve", "»"],
    "東京はbig。": ["東", "京", "は", "big", "。"],
    " \n": []
  }
  for (const [text, words] of Object.entries(texts)) {
    const found = wordsOfText(text)
    expect(found.map(({ word }) => word)).toEqual([...words])
    for (const { word, start, end } of found) expect(text.slice(start, end)).toBe(word)
  }
})

test("words with spaces between them are at their places", () => {
  const words = ["New", "York", "😀", "."]
  for (const { word, start, end } of textOfWords(words)) expect(words.join(" ").slice(start, end)).toBe(word)
})
