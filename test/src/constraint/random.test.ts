/** 250 random schemas (random.long.ts has 10,000): at least 90 % of their texts end, and all of these decode. */
import { describe, expect, test } from "bun:test"
import { randomTexts } from "./random-texts.ts"

describe("250 random schemas over a tiny vocabulary", () => {
  for (let from = 0; from < 250; from += 250) {
    test(`seeds ${from} to ${from + 249}: at least 90 % end, and all that end decode`, () => {
      const { ended, byEffect } = randomTexts(from, from + 250)
      expect(ended).toBeGreaterThanOrEqual(225)
      // not all schemas have one of Effect's that says the same
      expect(byEffect).toBeGreaterThan(100)
    }, 60_000)
  }
})
