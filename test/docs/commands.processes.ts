/**
 * Every page is read as its reader would read it: the commands of its blocks are run in order, in a folder of its own, and have to end well
 * and print what the page shows; its programs are pasted and run. What is left out, and what is made shorter, is in `table.ts`.
 */
import { afterAll, expect, test } from "bun:test"
import { allBlocks, commandsOf, isProgram, pages } from "./pages.ts"
import { askedByCard, forgetDefaultRun, readPage } from "./read-page.ts"

/** The longest page, README, takes a minute and a half on two cores; a page that takes five hangs. */
const TIMEOUT = 300_000

afterAll(forgetDefaultRun, TIMEOUT)

const read = pages.filter((page) =>
  allBlocks.some((block) => block.page === page && (commandsOf(block).length > 0 || isProgram(block)))
)

test("there are pages with something to run", () => {
  expect(read.length).toBeGreaterThan(35)
})

const done: Array<string> = []

for (const page of read)
  test(
    page,
    async () => {
      const reading = await readPage(page)
      done.push(...reading.done)
      expect(reading.problems.join("\n\n")).toBe("")
    },
    TIMEOUT
  )

test(
  "the program on a run's model card answers from the folder that training was started in, as its Python assumes",
  async () => {
    const { card, code, printed } = await askedByCard()
    expect(card).toContain('adapter = "runs/movies-lora-pro-full-1/adapter"')
    expect({ code, printed }).toEqual({ code: 0, printed: expect.stringMatching(/label: "(negative|positive)"/) })
  },
  TIMEOUT
)

test("most of what pages show was run", () => {
  expect(done.length).toBeGreaterThan(100)
})
