/**
 * `serve` as a process, and its clients as they are: OpenAI's own, browsers' fetch, and sockets that write half a request. Trained runs of tiny
 * models: two classifiers of one base, vectors, and a conversation.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { cpSync, mkdirSync, symlinkSync } from "node:fs"
import { connect, type Socket } from "node:net"
import OpenAI from "openai"
import { runtimes } from "../runtime/runtimes.ts"
import { causalPlan, decoder, writeRows } from "./causal-workspace.ts"
import { cli, jsonLines, jsonObjects, onWasm, predicted, succeed, TIMEOUT, tinyPlan, workspace } from "./fixtures.ts"
import { seq2seqPlan, t5, writeSourceTargets } from "./seq2seq-workspace.ts"
import { relatedRows } from "./text-kinds.ts"

const w = workspace()
const texts = ["the film is good", "the plot was dull and the cast very bad", "a story so moving"]

interface Server {
  readonly url: string
  readonly pid: number
  readonly kill: (signal: NodeJS.Signals) => void
  readonly ended: Promise<number>
  readonly stderr: () => string
}

const servers: Array<Server> = []
afterAll(() => servers.forEach((server) => server.kill("SIGKILL")))

/** Starts the command, and waits until it listens. */
const serve = async (
  args: ReadonlyArray<string>,
  { command = [process.execPath], env = {} }: { command?: ReadonlyArray<string>; env?: Record<string, string> } = {}
): Promise<Server> => {
  const child = Bun.spawn([...command, cli, "serve", ...args, "--port", "0", ...onWasm], {
    cwd: w.directory,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let said = ""
  const reading = (async () => {
    for await (const bytes of child.stderr) said += new TextDecoder().decode(bytes)
  })()
  const { value } = await child.stdout.getReader().read()
  if (value === undefined) {
    await reading
    throw new Error(`the server ended: ${said}`)
  }
  const server: Server = {
    url: new TextDecoder().decode(value).trim(),
    pid: child.pid,
    kill: (signal) => child.kill(signal),
    ended: Promise.all([child.exited, reading]).then(([code]) => code),
    stderr: () => said
  }
  servers.push(server)
  return server
}

const ask = (server: Server, path: string, body?: unknown, init: RequestInit = {}) =>
  fetch(new URL(path, server.url), {
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    ...init,
    headers: { "content-type": "application/json", ...init.headers }
  })

/** The samples of Prometheus' text; throws on a line that is none. */
const metricsOf = async (server: Server): Promise<ReadonlyMap<string, number>> => {
  const lines = (await (await ask(server, "/metrics")).text()).trimEnd().split("\n")
  const samples = lines.filter((line) => !/^# (HELP|TYPE) [a-z_]+ ./.test(line))
  return new Map(
    samples.map((line) => {
      const [, name, value] = /^([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})?) ([-+.e\d]+)$/.exec(line) ?? []
      if (name === undefined) throw new Error(`no sample: ${line}`)
      return [name, Number(value)] as const
    })
  )
}
const metric = async (server: Server, name: string) => (await metricsOf(server)).get(`tfjs_lora_pro_${name}`) ?? 0

const until = async (isSo: () => Promise<boolean>) => {
  for (const end = performance.now() + TIMEOUT / 2; !(await isSo()); await Bun.sleep(20)) {
    if (performance.now() > end) throw new Error("it never became so")
  }
}

let main: Server
let client: OpenAI

beforeAll(async () => {
  w.model("bert")
  w.model("minilm")
  decoder(w, "llama")
  writeRows(w)
  decoder(w, "llama", "endless")
  // a token that no row has: the most probable text has no end
  w.write("endless/generation_config.json", { eos_token_id: 127 })
  t5(w)
  writeSourceTargets(w)
  w.write("related.jsonl", jsonLines(relatedRows(24)))
  const related = { format: "embedding", train: "related.jsonl", anchor: "query", positive: "document", maxLength: 16 }
  const plans = {
    a: tinyPlan("bert", { seed: 1 }),
    b: tinyPlan("bert", { seed: 2 }),
    vectors: tinyPlan("minilm", { data: related }),
    tone: seq2seqPlan("t5"),
    endless: causalPlan("endless", "text", { training: { steps: 20, batchSize: 6 } }),
    talk: causalPlan("llama", "chat", { training: { steps: 40, batchSize: 6 } })
  }
  for (const [name, plan] of Object.entries(plans)) {
    w.write(`${name}.json`, plan)
    await succeed(w.cli(["train", `${name}.json`, "--out", `runs/${name}`, ...onWasm]))
  }
  main = await serve(
    ["runs/a", "second=runs/b", "runs/vectors", "runs/talk", "runs/tone", "runs/endless", "--adapters", "runs"],
    {
      env: {
        TFJS_LORA_PRO_TOKEN: "token",
        TFJS_LORA_PRO_LIMITS: "serve-body-seconds=1,serve-header-seconds=1,serve-reader-seconds=1"
      }
    }
  )
  client = new OpenAI({ baseURL: `${main.url}/v1`, apiKey: "none", maxRetries: 0 })
}, 2 * TIMEOUT)

const question = [{ role: "user", content: "what colour is the sky ?" }] as const

describe("OpenAI's client", () => {
  test("lists models, and one of them", async () => {
    const { data } = await client.models.list()
    expect(data.map(({ id }) => id)).toEqual(["a", "second", "vectors", "talk", "tone", "endless"])
    expect((await client.models.retrieve("talk")).object).toBe("model")
  })

  test("holds a conversation: the text, the reason it ends, and tokens; the most probable is what chat says", async () => {
    const answer = await client.chat.completions.create({
      model: "talk",
      messages: [...question],
      temperature: 0,
      max_completion_tokens: 8
    })
    const [choice] = answer.choices
    expect(choice!.message.role).toBe("assistant")
    expect(answer.usage!.total_tokens).toBe(answer.usage!.prompt_tokens + answer.usage!.completion_tokens)
    const { stdout } = await succeed(w.cli(["chat", "runs/talk", "--max-tokens", "8", ...onWasm], question[0].content))
    expect(choice!.message.content).toBe(stdout.trimEnd())
    expect(["stop", "length"]).toContain(choice!.finish_reason)
    const short = await client.chat.completions.create({ model: "talk", messages: [...question], max_tokens: 1 })
    expect([short.choices[0]!.finish_reason, short.usage!.completion_tokens]).toEqual(["length", 1])
    const parts = [{ type: "text" as const, text: question[0].content }]
    const same = await client.chat.completions.create({
      model: "talk",
      messages: [{ role: "user", content: parts }],
      temperature: 0,
      max_tokens: 8
    })
    expect(same.choices[0]!.message.content).toBe(choice!.message.content)
    // the conversation was read before
    expect(same.usage!.prompt_tokens_details!.cached_tokens).toBeGreaterThan(0)
  })

  test("streams the same text, its parts before its end, and usage where it is asked for", async () => {
    const asked = { model: "talk", messages: [...question], temperature: 0.8, seed: 7, max_tokens: 20 }
    const whole = await client.chat.completions.create(asked)
    const stream = await client.chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true }
    })
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    const pieces = chunks.flatMap(({ choices }) => choices)
    expect(pieces[0]!.delta.role).toBe("assistant")
    expect(pieces.map(({ delta }) => delta.content ?? "").join("")).toBe(whole.choices[0]!.message.content!)
    expect(pieces.at(-1)!.finish_reason).toBe(whole.choices[0]!.finish_reason)
    expect(chunks.at(-1)!.choices).toEqual([])
    expect(chunks.at(-1)!.usage!.completion_tokens).toBe(whole.usage!.completion_tokens)
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
  })

  test("completes prompts, several at once, up to a string", async () => {
    const answer = await client.completions.create({
      model: "talk",
      prompt: ["the sky is", "the grass"],
      temperature: 0,
      max_tokens: 6,
      stop: ["."]
    })
    expect(answer.choices.map(({ index }) => index)).toEqual([0, 1])
    const { stdout } = await succeed(
      w.cli(["generate", "runs/talk", "the sky is", "--plain", "--max-tokens", "6", "--stop", ".", "--json", ...onWasm])
    )
    expect(answer.choices[0]!.text).toBe(jsonObjects(stdout)[0]!["text"] as string)
    expect(answer.choices.every(({ text }) => !text.includes("."))).toBe(true)
  })

  test("has the text that a T5 writes for each, and is told what such a model does not do", async () => {
    const answer = await client.completions.create({ model: "tone", prompt: texts, max_tokens: 8 })
    const { stdout } = await succeed(
      w.cli(["generate", "runs/tone", ...texts, "--json", "--max-tokens", "8", ...onWasm])
    )
    const expected = jsonObjects(stdout)
    expect(answer.choices.map(({ text }) => text)).toEqual(expected.map(({ text }) => text as string))
    const written = expected.reduce((sum, { tokens }) => sum + (tokens as number), 0)
    expect(answer.usage).toMatchObject({ completion_tokens: written })
    expect(answer.usage!.prompt_tokens).toBe(texts.reduce((sum, text) => sum + text.split(" ").length + 1, 0))
    const hot = client.completions.create({ model: "tone", prompt: "the film", temperature: 1.5 })
    expect(await hot.catch((error: object) => error)).toMatchObject({ status: 400, param: "temperature" })
    // its labels are texts too
    const labels = await ask(main, "/predict", { model: "tone", inputs: texts })
    const { predictions } = (await labels.json()) as { predictions: ReadonlyArray<{ label: string }> }
    expect(predictions.map(({ label }) => label)).toEqual(expected.map(({ text }) => text as string))
  })

  test("has the vectors of the embed command, as numbers and as base64", async () => {
    const { stdout } = await succeed(w.cli(["embed", "runs/vectors", ...texts, "--json", ...onWasm]))
    const expected = jsonObjects(stdout).map(({ vector }) => (vector as ReadonlyArray<number>).map(Math.fround))
    // its default is base64, which it decodes
    for (const more of [{}, { encoding_format: "float" as const }]) {
      const { data, usage } = await client.embeddings.create({ model: "vectors", input: texts, ...more })
      expect(data.map(({ embedding }) => embedding.map(Math.fround))).toEqual(expected)
      // [CLS], words, [SEP]
      expect(usage.prompt_tokens).toBe(texts.reduce((sum, text) => sum + text.split(" ").length + 2, 0))
    }
  })

  test("is told what is wrong, and in which field", async () => {
    const told = async (more: object, fields: object) => {
      const asked = { model: "talk", messages: [...question], ...more }
      const error = await client.chat.completions.create(asked as never).then(
        () => undefined,
        (thrown: InstanceType<typeof OpenAI.APIError>) => thrown
      )
      expect(error).toMatchObject(fields)
    }
    await told({ model: "nobody" }, { status: 404, code: "model_not_found", param: "model" })
    await told({ model: "a" }, { status: 400, param: "model" })
    await told({ n: 2 }, { status: 400, param: "n" })
    await told({ tools: [{ type: "function", function: { name: "f" } }] }, { status: 400, param: "tools" })
    await told({ temperature: 3 }, { status: 400, param: "temperature" })
    await told({ response_format: { type: "xml" } }, { status: 400, param: "response_format" })
    await told({ messages: [{ role: "bot", content: "x" }] }, { status: 400, param: "messages[0].role" })
    await told({ messages: [{ role: "tool", content: "x" }] }, { status: 400, param: "messages" })
    await told({ max_tokens: 1_000_000 }, { status: 400, param: "max_tokens" })
    await told({ anything: 1 }, { status: 400, param: "anything" })
    const long = [{ role: "user" as const, content: "sky ".repeat(300) }]
    await told({ messages: long }, { status: 400, code: "context_length_exceeded" })
  })
})

/** A text that goes on for so many tokens, unless it is left. */
const endless = { model: "endless", prompt: "the sky", temperature: 0, max_tokens: 200, stream: true }
const writtenBy = (server: Server, signal?: AbortSignal) =>
  ask(server, "/v1/completions", endless, signal === undefined ? {} : { signal })

const raw = (server: Server, text: string) =>
  new Promise<string>((resolve) => {
    const { port, hostname } = new URL(server.url)
    let answer = ""
    const socket: Socket = connect(Number(port), hostname, () => socket.write(text))
    socket.on("data", (bytes) => (answer += bytes.toString()))
    socket.on("error", () => {})
    socket.on("close", () => resolve(answer))
  })

describe("clients that are none", () => {
  test(
    "who hangs up ends what is written for them at the next token, and rows that wait",
    async () => {
      const leave = new AbortController()
      const answers = await Promise.all(Array.from({ length: 4 }, () => writtenBy(main, leave.signal)))
      for (const answer of answers) expect(answer.status).toBe(200)
      // each has its turns
      await until(async () => (await metric(main, "turns_waiting")) >= 3)
      const before = await metric(main, 'tokens_total{model="endless",kind="completion"}')
      leave.abort()
      await until(async () => (await metric(main, "texts_active")) === 0)
      await until(async () => (await metric(main, "requests_active")) <= 1)
      // none of them came to its end
      expect(await metric(main, 'tokens_total{model="endless",kind="completion"}')).toBe(before)
      const rows = new AbortController()
      const many = ask(main, "/predict", { model: "a", inputs: Array(2_000).fill(texts[1]) }, { signal: rows.signal })
      await until(async () => (await metric(main, "rows_waiting")) > 0)
      rows.abort()
      await many.catch(() => {})
      await until(async () => (await metric(main, "rows_waiting")) === 0)
      const computed = await metric(main, 'batch_rows_sum{model="a",verb="predict"}')
      expect(computed).toBeGreaterThan(0)
      expect(computed).toBeLessThan(1_500)
    },
    TIMEOUT
  )

  test(
    "half a header, half a body, a huge body, another machine's name: each is answered or left, and others are answered meanwhile",
    async () => {
      const head = (more: string) =>
        `POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}`
      const visits = [
        raw(main, "POST /predict HTTP/1.1\r\nHost: loc"),
        raw(main, `${head("Content-Length: 100\r\nConnection: close")}\r\n\r\n{"inputs":`),
        raw(main, `${head("Content-Length: 100000000\r\nConnection: close")}\r\n\r\n{"inputs":"${"x".repeat(100_000)}`),
        raw(
          main,
          `${head("Content-Length: 14\r\nConnection: close")}\r\n\r\n{"inputs":"x"}`.replace(
            "localhost",
            "evil.example"
          )
        )
      ]
      for (let i = 0; i < 20; i++) {
        const began = performance.now()
        expect((await ask(main, "/predict", { model: "a", inputs: texts })).status).toBe(200)
        expect(performance.now() - began).toBeLessThan(5_000)
      }
      const [header, body, huge, other] = await Promise.all(visits)
      expect(header).toMatch(/^$|^HTTP\/1.1 4/)
      expect(body).toContain("HTTP/1.1 408")
      expect(huge).toContain("HTTP/1.1 413")
      expect(other).toContain("HTTP/1.1 421")
      expect((await ask(main, "/health")).status).toBe(200)
    },
    TIMEOUT
  )

  test(
    "who reads nothing of a stream keeps no one waiting",
    async () => {
      const silent = await writtenBy(main)
      const began = performance.now()
      const answer = await ask(main, "/v1/completions", { model: "talk", prompt: "the sky", max_tokens: 3 })
      expect(answer.status).toBe(200)
      expect(performance.now() - began).toBeLessThan(5_000)
      // it was written ahead of its reader
      await until(async () => (await metric(main, "texts_active")) === 0)
      expect(await silent.text()).toEndWith("data: [DONE]\n\n")
    },
    TIMEOUT
  )
})

test(
  "adapters are loaded and dropped under load, and every answer is of the one that was asked for",
  async () => {
    const token = { authorization: "Bearer token" }
    const expected = { a: await predicted(w, "runs/a", texts), b: await predicted(w, "runs/b", texts) }
    const logits = (all: ReadonlyArray<{ readonly logits: unknown }>) => all.map((one) => one.logits)
    expect(logits(expected.a)).not.toEqual(logits(expected.b))
    const bytes = await metric(main, "device_bytes")
    const live = new Map<string, "a" | "b">()
    let going = true
    let answers = 0
    const asking = async () => {
      while (going) {
        const names = [...live]
        const [name, run] = names[answers % Math.max(1, names.length)] ?? (["second", "b"] as const)
        const answer = await ask(main, "/predict", { model: name, inputs: texts })
        // it may have been dropped meanwhile
        if (answer.status === 404 && !live.has(name)) continue
        expect(answer.status).toBe(200)
        const { predictions } = (await answer.json()) as { predictions: typeof expected.a }
        expect(logits(predictions)).toEqual(logits(expected[run]))
        answers += 1
      }
    }
    const clients = Array.from({ length: 6 }, asking)
    for (let i = 0; i < 8; i++) {
      const run = i % 2 === 0 ? "a" : "b"
      // the same name for another run each time, and one name each
      for (const name of [`hot-${i}`, ...(i % 4 === 0 ? ["swapped"] : [])]) {
        expect((await ask(main, "/adapters", { name, run }, { headers: token })).status).toBe(201)
        live.set(name, run)
      }
      await Bun.sleep(10)
      const gone =
        i % 4 === 3 ? ["swapped", `hot-${i - 1}`, `hot-${i}`] : i % 4 === 1 ? [`hot-${i - 1}`, `hot-${i}`] : []
      for (const name of gone) {
        live.delete(name)
        expect((await ask(main, `/adapters/${name}`, undefined, { method: "DELETE", headers: token })).status).toBe(200)
      }
    }
    going = false
    await Promise.all(clients)
    expect(answers).toBeGreaterThan(20)
    await until(async () => (await metric(main, "device_bytes")) === bytes)
  },
  TIMEOUT
)

test(
  "nothing is loaded without the token, from elsewhere, or over a base from elsewhere",
  async () => {
    const load = async (run: string, headers: Record<string, string> = { authorization: "Bearer token" }) => {
      const answer = await ask(main, "/adapters", { name: "x", run }, { headers })
      return [answer.status, ((await answer.json()) as { error: { message: string } }).error.message] as const
    }
    expect((await load("a", {}))[0]).toBe(401)
    expect((await load("a", { authorization: "Bearer tokem" }))[0]).toBe(401)
    mkdirSync(w.path("elsewhere"))
    cpSync(w.path("runs/a"), w.path("elsewhere/a"), { recursive: true })
    symlinkSync(w.path("elsewhere/a"), w.path("runs/link"))
    cpSync(w.path("runs/a"), w.path("runs/linked"), { recursive: true, filter: (path) => !path.endsWith("run.json") })
    symlinkSync(w.path("elsewhere/a/run.json"), w.path("runs/linked/run.json"))
    cpSync(w.path("runs/a"), w.path("runs/based"), { recursive: true })
    const plan = w.json("runs/based/plan.json") as { model: object }
    w.write("runs/based/plan.json", { ...plan, model: { ...plan.model, source: "/etc" } })
    for (const run of ["../elsewhere/a", w.path("elsewhere/a"), "link", "linked", "based"]) {
      const [status, message] = await load(run)
      expect([run, status, message]).toEqual([
        run,
        403,
        expect.stringContaining("only files inside the folder of --adapters")
      ])
    }
    expect((await load("nothing"))[0]).toBe(404)
    expect((await load("a\u0000"))[0]).toBeGreaterThanOrEqual(403)
    expect((await load("."))[0]).toBeGreaterThanOrEqual(403)
  },
  TIMEOUT
)

describe("the end", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s: what runs is finished, no more is taken, and the process ends with 0",
    async (signal) => {
      const server = await serve(["runs/endless"])
      const answer = await writtenBy(server)
      const reader = answer.body!.getReader()
      let text = new TextDecoder().decode((await reader.read()).value)
      server.kill(signal)
      while (true) {
        const { done, value } = await reader.read()
        if (done) break
        text += new TextDecoder().decode(value)
      }
      expect(text).toEndWith("data: [DONE]\n\n")
      expect(await server.ended).toBe(0)
      expect(server.stderr()).toContain("serving endless; press Ctrl-C to stop")
      expect(ask(server, "/health")).rejects.toThrow()
    },
    TIMEOUT
  )

  test(
    "after --grace seconds what still runs is ended too; while it runs the server says that it drains",
    async () => {
      const server = await serve(["runs/talk", "--grace", "1"])
      const { port, hostname } = new URL(server.url)
      // a connection that is there already still asks
      const socket = connect(Number(port), hostname)
      let said = ""
      socket.on("data", (bytes) => (said += bytes.toString()))
      socket.on("error", () => {})
      const health = () => socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
      health()
      // a body that never comes is no answer
      const open = connect(Number(port), hostname)
      open.on("error", () => {})
      open.write(
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
      )
      await until(async () => (await metric(server, "requests_active")) === 2)
      server.kill("SIGTERM")
      await until(async () => server.stderr().includes("stopping; 1 request may take"))
      health()
      expect(await server.ended).toBe(0)
      expect(server.stderr()).toContain("cancelled the requests that did not finish within 1 seconds")
      expect(said).toContain('{"status":"ready","models":1}')
    },
    TIMEOUT
  )
})

test.each(runtimes)(
  "$name: starts, answers as the command does, is left by a client, and ends with 0",
  async ({ command }) => {
    const server = await serve(["runs/a", "runs/endless"], { command })
    const answer = await ask(server, "/predict", { model: "a", inputs: texts })
    const { predictions } = (await answer.json()) as { predictions: unknown }
    expect(predictions).toEqual(await predicted(w, "runs/a", texts))
    const leave = new AbortController()
    const stream = await writtenBy(server, leave.signal)
    await stream.body!.getReader().read()
    leave.abort()
    await until(async () => (await metric(server, "requests_active")) === 1)
    expect(await metric(server, 'tokens_total{model="endless",kind="completion"}')).toBe(0)
    server.kill("SIGTERM")
    expect(await server.ended).toBe(0)
  },
  TIMEOUT
)

test("what is wrong is told before it listens", async () => {
  const told = async (...args: ReadonlyArray<string>) => {
    const { code, stderr } = await w.cli(["serve", ...args, ...onWasm])
    expect(code).toBe(1)
    return stderr
  }
  expect(await told()).toContain("found no run to serve")
  expect(await told("runs/a", "a=runs/b")).toContain("two runs are called a")
  expect(await told("runs/none")).toContain("runs/none")
  expect(await told("runs/a", "--port", "65536")).toContain("from 0 to 65535")
  expect(await told("runs/a", "--port", new URL(main.url).port)).toContain("cannot listen on 127.0.0.1:")
})
