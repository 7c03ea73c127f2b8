/** Words of a plain text, with punctuation as words of its own, as rows of labelled words usually have it. */

/** A word of a text: `start` and `end` (exclusive) in UTF-16 code units. */
export interface PlacedWord {
  readonly word: string
  readonly start: number
  readonly end: number
}

/**
 * Letters, marks and digits with the dots, commas, hyphens and apostrophes between them; or one other character. Chinese and
 * Japanese have no spaces, so there every character is a word.
 */
const unspaced = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}"
const letter = `(?![${unspaced}])[\\p{L}\\p{M}\\p{N}_]`
const word = new RegExp(`(?:${letter})+(?:[.,'’\\-](?:${letter})+)*|\\S`, "gu")

/** "Anna's" is two words, "don't" too. */
const clitic = /^(.+?)(n['’]t|['’](?:s|re|ve|ll|d|m))$/iu

/** Returns the words of a text. */
export const wordsOfText = (text: string): ReadonlyArray<PlacedWord> =>
  [...text.matchAll(word)].flatMap(({ 0: found, index }) => {
    const [, stem, ending] = clitic.exec(found) ?? ["", found, ""]
    const parts = [stem!, ending!].filter((part) => part !== "")
    return parts.map((part, i) => {
      const start = index + (i === 0 ? 0 : stem!.length)
      return { word: part, start, end: start + part.length }
    })
  })

/** Returns the text of words with a space between each two, and their places in it. */
export const textOfWords = (words: ReadonlyArray<string>): ReadonlyArray<PlacedWord> => {
  let start = 0
  return words.map((one) => {
    const placed = { word: one, start, end: start + one.length }
    start = placed.end + 1
    return placed
  })
}
