/** The host's answers in a component: in no rendering is an answer said of another question than its own. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { createElement, options, render } from "preact"
import { type Host, HostError } from "../../../src/studio/page/host.ts"
import { type CallState, StudioContext, useCall } from "../../../src/studio/page/use.ts"
import type { Doing } from "../../../src/studio/protocol/index.ts"

beforeAll(() => {
  // a component that shows nothing needs only that there is a document
  Object.assign(globalThis, { document: {} })
  options.requestAnimationFrame = (callback) => void setTimeout(callback, 0)
})
// test files share a process, and devices open otherwise where there is a document
afterAll(() => void Reflect.deleteProperty(globalThis, "document"))

interface Question {
  readonly source: string
  readonly signal: AbortSignal
  readonly answer: (value: string) => void
  readonly fail: (message: string) => void
  readonly doing: (doing: Doing) => void
}

/** A component that asks for rows, and everything that it has rendered. The host answers when the test says so, whoever has left meanwhile. */
const opened = () => {
  const questions: Array<Question> = []
  const host = {
    call: (
      _: string,
      { source }: { readonly source: string },
      { signal, doing }: Parameters<Host["call"]>[2] & object
    ) =>
      new Promise((resolve, reject) => {
        questions.push({
          source,
          signal: signal!,
          answer: (value) => resolve({ source: value }),
          fail: (message) => reject(new HostError({ tag: "X", message })),
          doing: doing!
        })
      })
  } as unknown as Host
  const seen: Array<{ readonly input: string | undefined; readonly asked: CallState<{ readonly source: string }> }> = []
  const Probe = ({ input }: { readonly input: string | undefined }) => {
    seen.push({ input, asked: useCall("rows", input === undefined ? undefined : { source: input }) })
    return null
  }
  const container = { nodeType: 1, childNodes: [], firstChild: null } as unknown as Element
  const show = (input: string | undefined) =>
    render(
      createElement(
        StudioContext.Provider,
        { value: { host, about: { version: "", location: "", abilities: [], doubts: [] } } },
        createElement(Probe, { input })
      ),
      container
    )
  return { questions, seen, show, last: () => seen.at(-1)!.asked, settled: () => Bun.sleep(20) }
}

/** Wherever an answer or a problem is shown as that of the input, it is. */
const expectOwn = ({ seen }: Pick<ReturnType<typeof opened>, "seen">) => {
  expect(seen.length).toBeGreaterThan(2)
  for (const { input, asked } of seen) {
    if (!asked.isBusy && asked.value !== undefined) expect(asked.value.source).toBe(input!)
    if (asked.problem !== undefined) expect(asked.problem.message).toBe(input!)
    if (asked.doing !== undefined) expect(asked.doing.what).toBe(input!)
    if (input === undefined) expect(asked).toMatchObject({ value: undefined, problem: undefined, isBusy: false })
  }
}

test("an answer that comes in the same moment as another question is not said of that", async () => {
  const page = opened()
  page.show("a")
  await page.settled()
  page.questions[0]!.answer("a")
  // before what was answered is rendered
  page.show("b")
  await page.settled()
  expect(page.questions.map(({ source }) => source)).toEqual(["a", "b"])
  expect(page.last()).toMatchObject({ isBusy: true })
  page.questions[1]!.answer("b")
  await page.settled()
  expect(page.last()).toMatchObject({ isBusy: false, value: { source: "b" } })
  page.show("c")
  expect(page.last()).toMatchObject({ isBusy: true, value: { source: "b" } })
  await page.settled()
  page.show(undefined)
  await page.settled()
  expectOwn(page)
})

test("what an earlier question comes to, or what is done for it, is not taken in after it was taken back", async () => {
  const page = opened()
  page.show("a")
  await page.settled()
  page.show("b")
  await page.settled()
  const [first, second] = page.questions
  expect([first!.signal.aborted, second!.signal.aborted]).toEqual([true, false])
  second!.doing({ what: "b" })
  await page.settled()
  expect(page.last().doing).toEqual({ what: "b" })
  first!.doing({ what: "a" })
  first!.answer("a")
  await page.settled()
  expect(page.last()).toMatchObject({ isBusy: true, value: undefined, doing: { what: "b" } })
  second!.answer("b")
  await page.settled()
  expect(page.last()).toMatchObject({ isBusy: false, value: { source: "b" }, doing: undefined })
  expectOwn(page)
})

test("a question that failed is busy when it is asked again, and its problem goes with another", async () => {
  const page = opened()
  page.show("a")
  await page.settled()
  page.questions[0]!.fail("a")
  await page.settled()
  expect(page.last()).toMatchObject({ isBusy: false, value: undefined })
  expect(page.last().problem?.message).toBe("a")
  page.last().again()
  await page.settled()
  expect(page.last()).toMatchObject({ isBusy: true, problem: undefined })
  page.questions[1]!.fail("a")
  await page.settled()
  page.show("b")
  expect(page.last().problem).toBeUndefined()
  await page.settled()
  page.questions[2]!.answer("b")
  await page.settled()
  expectOwn(page)
})
