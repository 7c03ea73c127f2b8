/** What counts as a result of a program, and as the same result: run here by bun, as pages are. */
import { describe, expect, test } from "bun:test"
import { isAsShown, marked, othersThanShown, printedAt, resultsIn, strayIn, withoutMarks } from "./results.ts"

const program = `
import { readFileSync } from "node:fs" // reads
const rows = [1, 2] // two of them
console.log(rows.length) // 2; of "http://127.0.0.1"
console.log({ loss: 0.31312, acc: 0.5, names: ["a // b"] }) // { loss: 0.3131, acc: 0.5, names: ["a // b"] }
  // a remark on a line of its own
for (const row of rows) console.log("row", row)
console.log("nobody says what this is", readFileSync.name)
if (rows.length > 2) {
  console.log(rows[2]) // 3
}
`

const run = (code: string): string => Bun.spawnSync([process.execPath, "-e", code]).stdout.toString()

describe("what a program shows", () => {
  test("is the comment at the end of a line that prints, up to a semicolon", () => {
    expect(resultsIn(program, "ts")).toEqual([
      { line: 4, text: "2" },
      { line: 5, text: '{ loss: 0.3131, acc: 0.5, names: ["a // b"] }' },
      { line: 10, text: "3" }
    ])
    expect(resultsIn('  yield* Console.log(a, f("x")) // 1 y', "ts")).toEqual([{ line: 1, text: "1 y" }])
    expect(resultsIn("print(a[0])  # [0.5  1.5]; rounded", "python")).toEqual([{ line: 1, text: "[0.5  1.5]" }])
  })

  test("is compared with what its own line prints", () => {
    const printed = run(marked(program, "ts"))
    expect(printedAt(printed, 4)).toEqual([" 2 "])
    expect(othersThanShown(program, "ts", printed)).toEqual(["line 10 shows 3, and was not run"])
    expect(withoutMarks(printed)).toBe(run(program))
    const wrong = program.replace("0.3131,", "0.3132,").replace("// 2;", "// 3;")
    expect(othersThanShown(wrong, "ts", run(marked(wrong, "ts"))).slice(0, 2)).toEqual([
      "line 4 shows 3, and prints 2",
      expect.stringMatching(/^line 5 shows .*, and prints \{ loss: 0\.31312, /)
    ])
  })

  test("each time that its line is run", () => {
    const code = "for (const n of [1, 2])\n  console.log(n) // 1"
    expect(othersThanShown(code, "ts", run(marked(code, "ts")))).toEqual(["line 2 shows 1, and prints 2"])
  })

  test("is missed where nothing is printed", () => {
    const code =
      'const a = f(1) // 2.5\nf(2) // { a: [1, "x"], b: true }\nconst b = g() // [rows, 3]\nconsole.log(1) // 1'
    expect(strayIn(code, "ts").map(({ line }) => line)).toEqual([1, 2])
  })
})

describe("the same result", () => {
  test.each([
    ["0.3131", "0.31305"],
    ["0.3131", "0.313149"],
    ["-1.5e-3", "-0.00151"],
    ["33,728", "33728"],
    ["−2", "-2"],
    ["wasm", '"wasm"'],
    ['{ "a": [1, 2] }', "{\n  a: [\n    1, 2\n  ],\n}"],
    ["[0.5, …]", "[ 0.5, 0.7, 0.9 ]"],
    ["{ …, b: 2 }", "{ a: 1, b: 2 }"],
    ["done after 3.1 s with 20 MB", "done after 12 s with 1.5 GB"]
  ])("%s is %s", (shown, printed) => {
    expect(isAsShown(shown, printed)).toBe(true)
  })

  test.each([
    ["0.3131", "0.3132"],
    ["0.3130", "0.3131"],
    ["2", "2.4"],
    ["1", "-1"],
    ["[1]", "[1, 2]"],
    ["[1, 2]", "[1]"],
    ["{ a: 1 }", "{ b: 1 }"],
    ["[0.5, …]", "[0.6, 0.7]"],
    ["wasm", "webgpu"],
    ["", "1"]
  ])("%s is not %s", (shown, printed) => {
    expect(isAsShown(shown, printed)).toBe(false)
  })

  test("may differ by a tolerance", () => {
    expect([0.9953, 0.9944, 0.9942].map((value) => isAsShown("0.995", `${value}`, 2e-4))).toEqual([true, true, false])
  })
})
