/** Tools and typed answers by OpenAI's own client, against the server as a function. */
import { beforeAll, describe, expect, test } from "bun:test"
import OpenAI from "openai"
import type { ChatCompletionMessageParam, ChatCompletionTool } from "openai/resources/chat/completions"
import { type OpenServer, openServer } from "../../../src/serve/index.ts"
import { TIMEOUT, workspace } from "../../e2e/fixtures.ts"
import { tools as lightTools, writeTools } from "../../e2e/tools-workspace.ts"
import { complete } from "../../e2e/train-here.ts"

const w = workspace()
const tools = [...lightTools] as unknown as Array<ChatCompletionTool>

let server: OpenServer
let client: OpenAI
beforeAll(async () => {
  const plan = writeTools(w)
  await complete(w, w.write("plan.json", plan), "runs/light")
  // barely trained: what it writes is required of it, or noise
  await complete(w, w.write("noise.json", { ...plan, training: { steps: 1, batchSize: 4 } }), "runs/noise")
  server = await openServer({ runs: [w.path("runs/light"), w.path("runs/noise")], device: "wasm", threads: 1 })
  const fetch = (url: unknown, init?: RequestInit) => server.fetch(new Request(String(url), init))
  client = new OpenAI({
    baseURL: "http://here/v1",
    apiKey: "none",
    maxRetries: 0,
    fetch: fetch as typeof globalThis.fetch
  })
}, TIMEOUT)

const user = (content: string): ChatCompletionMessageParam => ({ role: "user", content })
const greedy = { model: "light", temperature: 0, max_tokens: 40 } as const
const noisy = { model: "noise", temperature: 1, seed: 3, max_tokens: 200 } as const

describe("tools", () => {
  test("a call, its result, and the answer after it", async () => {
    const messages = [user("light on")]
    const first = await client.chat.completions.create({ ...greedy, messages, tools })
    const [choice] = first.choices
    expect(choice!.finish_reason).toBe("tool_calls")
    expect(choice!.message.content).toBeNull()
    expect(choice!.message.tool_calls).toEqual([
      {
        id: expect.stringMatching(/^[a-z0-9]{9}$/),
        type: "function",
        function: { name: "set_light", arguments: '{"on":true}' }
      }
    ])
    const { id } = choice!.message.tool_calls![0]!
    const second = await client.chat.completions.create({
      ...greedy,
      messages: [...messages, choice!.message, { role: "tool", tool_call_id: id, content: "ok" }],
      tools
    })
    expect(second.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "done" } })
    expect(second.choices[0]!.message.tool_calls).toBeUndefined()
  })

  test("text where no call is needed, and none where tool_choice excludes it", async () => {
    const hello = await client.chat.completions.create({ ...greedy, messages: [user("hi")], tools })
    expect(hello.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "hello" } })
    const none = await client.chat.completions.create({
      ...greedy,
      messages: [user("light on")],
      tools,
      tool_choice: "none"
    })
    expect(none.choices[0]!.message.tool_calls).toBeUndefined()
  })

  test("streamed: the name first, then the arguments, then the reason", async () => {
    const stream = await client.chat.completions.create({
      ...greedy,
      messages: [user("light off")],
      tools,
      stream: true
    })
    const deltas = []
    for await (const { choices } of stream) deltas.push(choices[0]!)
    const calls = deltas.flatMap(({ delta }) => delta.tool_calls ?? [])
    expect(calls).toEqual([
      { index: 0, id: expect.any(String), type: "function", function: { name: "set_light", arguments: "" } },
      { index: 0, function: { arguments: '{"on":false}' } }
    ])
    expect(deltas.at(-1)!.finish_reason).toBe("tool_calls")
    // the client's own assembly of a stream
    const runner = client.chat.completions.stream({ ...greedy, messages: [user("light off")], tools })
    const { choices } = await runner.finalChatCompletion()
    expect(choices[0]!.message.tool_calls![0]).toMatchObject({
      function: { name: "set_light", arguments: '{"on":false}' }
    })
    const text = client.chat.completions.stream({ ...greedy, messages: [user("hi")], tools })
    expect(await text.finalContent()).toBe("hello")
  })

  const other: ChatCompletionTool = {
    type: "function",
    function: {
      name: "count",
      parameters: { type: "object", properties: { n: { type: "integer", minimum: 2, maximum: 5 } }, required: ["n"] }
    }
  }

  test("required, one of them, or a certain one, of a model that learned nothing", async () => {
    const ask = (choice: OpenAI.ChatCompletionToolChoiceOption) =>
      client.chat.completions.create({
        ...noisy,
        messages: [user("x")],
        tools: [...tools, other],
        tool_choice: choice,
        parallel_tool_calls: false
      })
    const required = (await ask("required")).choices[0]!
    expect([required.finish_reason, required.message.tool_calls!.length]).toEqual(["tool_calls", 1])
    const named = (await ask({ type: "function", function: { name: "count" } })).choices[0]!.message.tool_calls!
    expect(named).toHaveLength(1)
    const { name, arguments: own } = (named[0] as { function: { name: string; arguments: string } }).function
    expect([name, Object.keys(JSON.parse(own))]).toEqual(["count", ["n"]])
    expect([2, 3, 4, 5]).toContain(JSON.parse(own).n)
  })

  const wrong: Readonly<Record<string, readonly [body: object, message: string]>> = {
    "a choice that is no tool": [
      { tools, tool_choice: { type: "function", function: { name: "lamp" } } },
      'tool_choice: names "lamp", which is not among tools'
    ],
    "a required call without tools": [
      { tool_choice: "required" },
      "tool_choice: requires a call, but the request has no tools"
    ],
    "a result without its call": [
      { messages: [user("x"), { role: "tool", tool_call_id: "a", content: "y" }] },
      'messages: message 2: tool_call_id "a" does not match an earlier call'
    ],
    "arguments that are not JSON": [
      {
        messages: [
          user("x"),
          { role: "assistant", tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{x" } }] }
        ]
      },
      "messages[1]: tool_calls[0].function.arguments is not JSON"
    ],
    "a schema that is not supported": [
      {
        tools: [{ type: "function", function: { name: "f", parameters: { type: "object", not: {} } } }],
        tool_choice: "required"
      },
      "tools: "
    ],
    "a schema that allows nothing": [
      {
        response_format: {
          type: "json_schema",
          json_schema: { name: "x", schema: { type: "integer", minimum: 3, maximum: 2 } }
        }
      },
      "response_format: "
    ]
  }
  test.each(Object.entries(wrong))("%s is a 400 that names the field", async (_, [body, message]) => {
    const answer = client.chat.completions.create({ ...greedy, messages: [user("x")], ...body } as never)
    const error = await answer.then(
      () => undefined,
      (cause: { status: number; error: { message: string } }) => cause
    )
    expect([error!.status, error!.error.message]).toEqual([400, expect.stringContaining(message)])
  })
})

describe("response_format", () => {
  const schema = {
    type: "object",
    properties: {
      label: { enum: ["good", "bad"] },
      score: { type: "integer", minimum: 0, maximum: 10 },
      words: { type: "array", items: { type: "string", maxLength: 3 }, maxItems: 2 }
    },
    required: ["label", "score", "words"],
    additionalProperties: false
  }

  test("json_schema: a value of it, whole and streamed", async () => {
    const body = {
      ...noisy,
      messages: [user("x")],
      response_format: { type: "json_schema" as const, json_schema: { name: "judgement", strict: true, schema } }
    }
    const { choices } = await client.chat.completions.create(body)
    const value = JSON.parse(choices[0]!.message.content!)
    expect(["good", "bad"]).toContain(value.label)
    expect(value.score).toBeWithin(0, 11)
    expect(value.words.every((word: string) => word.length <= 3) && value.words.length <= 2).toBe(true)
    expect(choices[0]!.finish_reason).toBe("stop")
    const streamed = await client.chat.completions.stream(body).finalContent()
    expect(streamed).toBe(choices[0]!.message.content)
  })

  test("json_object: an object; with tools, a value or a call", async () => {
    const body = { ...noisy, max_tokens: 400, messages: [user("x")] }
    const free = await client.chat.completions.create({ ...body, response_format: { type: "json_object" } })
    const { content } = free.choices[0]!.message
    if (free.choices[0]!.finish_reason === "stop") expect(typeof JSON.parse(content!)).toBe("object")
    expect(content).toStartWith("{")
    const either = await client.chat.completions.create({
      ...body,
      tools,
      response_format: { type: "json_schema", json_schema: { name: "judgement", schema } }
    })
    const { message, finish_reason: reason } = either.choices[0]!
    if (reason === "tool_calls") expect(message.tool_calls).toHaveLength(1)
    else expect(Object.keys(JSON.parse(message.content!))).toEqual(["label", "score", "words"])
  })
})
