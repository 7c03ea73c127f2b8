/** The depth of JSON is counted outside of its strings, wherever they end. */
import { expect, test } from "bun:test"
import { isDeeperThan } from "../../../src/files/text-file.ts"
import { randomStream } from "../../../src/numbers/random.ts"

/** Character by character. */
const plainly = (text: string, levels: number): boolean => {
  let [depth, inString] = [0, false]
  for (let at = 0; at < text.length; at++) {
    const unit = text[at]!
    if (inString) {
      if (unit === "\\") at++
      else if (unit === '"') inString = false
    } else if (unit === '"') inString = true
    else if (unit === "[" || unit === "{") depth++
    else if (unit === "]" || unit === "}") depth--
    if (depth > levels) return true
  }
  return false
}

test("any text of quotes, escapes and brackets is read as it is character by character", () => {
  const random = randomStream(0, "depth")
  for (let i = 0; i < 20_000; i++) {
    const length = Math.floor(24 * random())
    const text = Array.from({ length }, () => '"\\[]{}a'[Math.floor(7 * random())]).join("")
    for (const levels of [0, 1, 3]) expect([text, isDeeperThan(text, levels)]).toEqual([text, plainly(text, levels)])
  }
})
