import { expect, test } from "bun:test"
import { shortDuration } from "../../../src/progress/index.ts"

test("durations are seconds, and minutes from one and a half on", () => {
  expect([0, 89.4, 90, 245, 3599].map(shortDuration)).toEqual(["0 s", "89 s", "1 min 30 s", "4 min 5 s", "59 min 59 s"])
})
