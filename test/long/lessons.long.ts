/**
 * The lessons of examples/pipelines as a newcomer starts them, for a few steps, each held to what it claims. Their
 * parts (a loss, a transform, a method) are held against their formulas in e2e/lessons-parts.test.ts.
 */
import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { repository, run, succeed, TIMEOUT, workspace } from "../e2e/fixtures.ts"
import { hasNative, runtimes } from "../runtime/runtimes.ts"

const w = workspace()
const folder = join(repository, "examples", "pipelines")
const files = [...new Bun.Glob("*.ts").scanSync(folder)].sort()
const source = (file: string) => readFileSync(join(folder, file), "utf8")

const bun = runtimes[0]!
const start = (lesson: string, args: ReadonlyArray<string | number>, { command } = bun) =>
  run([...command, join(folder, `${lesson}.ts`), ...args.map(String)], { cwd: w.directory })

/** The losses that a lesson prints, `column` of several. */
const lossesOf = (stdout: string, column = 0): ReadonlyArray<number> =>
  [...stdout.matchAll(/^step \d+: loss (\d+\.\d+)(?: and (\d+\.\d+))?/gm)].map((match) => Number(match[1 + column]))

const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length

/** MiniLM's shape: layers, width, width of the inner layer, classes. */
const [LAYERS, HIDDEN, INTERMEDIATE, CLASSES] = [6, 384, 1536, 2]

/** What the lesson of two adapters prints in three steps; two tests speak of it. */
let together: Promise<string> | undefined
const twoAdapters = (): Promise<string> => {
  together ??= succeed(start("two-adapters", [3])).then(({ stdout }) => stdout)
  return together
}

describe("every file of examples/pipelines", () => {
  test("there are the eight lessons, and what came before them", () => {
    const lessons = ["own-data-source", "own-row-schema", "own-loss", "own-adapter-method", "own-optimizer-transform"]
    const more = ["curriculum", "two-adapters", "http-server", "movies", "gradient-seen", "tfjs-optimizer"]
    expect(files).toEqual(expect.arrayContaining([...lessons, ...more].map((name) => `${name}.ts`)))
  })

  test.each(files)("%s: fits on two screens, says how it is run, and stands in the list", (file) => {
    expect(source(file).trimEnd().split("\n").length).toBeLessThanOrEqual(115)
    expect(source(file)).toContain(` *   bun examples/pipelines/${file}`)
    expect(readFileSync(join(repository, "examples", "README.md"), "utf8")).toContain(`[${file}](pipelines/${file})`)
  })
})

test(
  "README's program trains, told to stop after two steps",
  async () => {
    const readme = readFileSync(join(repository, "README.md"), "utf8")
    const block = /^## In code\n[\s\S]*?^```ts\n([\s\S]*?)^```$/m.exec(readme)![1]!
    const folderOfIt = JSON.stringify(join(w.directory, "readme-adapter"))
    const code = block.replace("Stream.take(80)", "Stream.take(2)").replace('"runs/in-code"', () => folderOfIt)
    const { stdout } = await succeed(run([...bun.command, "-e", code], { cwd: repository }))
    expect(stdout).toMatch(/^1 0\.\d+\n2 0\.\d+\n$/)
    expect(w.bytes("readme-adapter/adapter_model.safetensors").length).toBeGreaterThan(100_000)
    expect(w.json("readme-adapter/adapter_config.json")).toMatchObject({ peft_type: "LORA", r: 8, lora_alpha: 16 })
  },
  TIMEOUT
)

test(
  "own-data-source: learns from a cursor without end, and closes it where it stopped reading",
  async () => {
    const { stdout } = await succeed(start("own-data-source", [8]))
    const losses = lossesOf(stdout)
    expect(losses).toHaveLength(8)
    // sentences that a pattern makes are learnt at once
    expect(mean(losses.slice(-2))).toBeLessThan(losses[0]! / 2)
    const closed = Number(/the cursor is closed at message (\d+)\n$/.exec(stdout)![1])
    // 8 steps of 8 rows; beyond them a pool of 16, the 32 read ahead, and two pages under way
    expect(closed).toBeGreaterThanOrEqual(48)
    expect(closed).toBeLessThanOrEqual(64 + 16 + 32 + 32)
  },
  TIMEOUT
)

describe("own-row-schema", () => {
  for (const runtime of runtimes) {
    test(
      `${runtime.name}: takes the rows with an opinion, as numbers, and learns them`,
      async () => {
        const { stdout } = await succeed(start("own-row-schema", [6], runtime))
        const stars = source("reviews.csv")
          .match(/^\d+,\d/gm)!
          .map((row) => Number(row.split(",")[1]))
        expect(stars.length).toBeGreaterThan(20)
        expect(stdout).toStartWith(
          `${stars.filter((n) => n !== 3).length} rows with an opinion in ${folder}/reviews.csv`
        )
        const losses = lossesOf(stdout)
        expect(losses).toHaveLength(6)
        expect(losses[5]!).toBeLessThan(0.8 * losses[0]!)
      },
      TIMEOUT
    )
  }

  test(
    "a file with mistakes: every one with its line, and no step",
    async () => {
      w.write("wrong.csv", "id,stars,comment,language\n1,5,Fine.,en\n2,many,Dull.,en\n3,9,  ,de\n")
      const { code, stdout, stderr } = await start("own-row-schema", [2, "wrong.csv"])
      expect(code).toBe(1)
      expect(stderr).toContain("wrong.csv: 4 problems:\n")
      expect(stderr).toContain('  wrong.csv:3: stars: found "many"; ')
      expect(stderr).toContain('  wrong.csv:4: stars: found "9"; ')
      expect(stderr).toContain('  wrong.csv:4: comment: found "  "; ')
      expect(stderr).toContain('  wrong.csv:4: language: found "de"; ')
      expect(stdout).not.toContain("step 1")
    },
    TIMEOUT
  )
})

test(
  "own-loss: γ takes weight from rows that are half right, and an evaluation names both classes",
  async () => {
    const [plain, focal] = await Promise.all([start("own-loss", [1, 0]), start("own-loss", [1, 2])].map(succeed))
    expect(focal!.stdout).toMatch(/found of 96 rows: negative \d+ %, positive \d+ %\n$/)
    // the untrained head is near p = ½ everywhere: (1 − p)² near ¼
    const share = lossesOf(focal!.stdout)[0]! / lossesOf(plain!.stdout)[0]!
    expect(share).toBeGreaterThan(0.15)
    expect(share).toBeLessThan(0.35)
  },
  TIMEOUT
)

test(
  "own-adapter-method and own-optimizer-transform: both start as the base, with as many numbers as the formula says",
  async () => {
    const [scaling, signum] = await Promise.all(
      [start("own-adapter-method", [2]), start("own-optimizer-transform", [3])].map(succeed)
    )
    const numbers = LAYERS * (5 * HIDDEN + INTERMEDIATE)
    expect(scaling!.stdout).toStartWith(`row scaling: ${numbers} numbers for ${6 * LAYERS} layers, beside the head\n`)
    const losses = lossesOf(signum!.stdout)
    expect(losses).toHaveLength(3)
    expect(lossesOf(scaling!.stdout)[0]).toBe(losses[0]!)
    // LoRA-Pro at B = 0 moves B alone
    const moved = [...signum!.stdout.matchAll(/‖ΔA‖\/‖A‖ (\S+)/g)].map((match) => Number(match[1]))
    expect(moved[0]).toBe(0)
    expect(moved[1]).toBeGreaterThan(0)
  },
  TIMEOUT
)

test(
  "curriculum: short rows first, longer ones stage by stage",
  async () => {
    const { stdout } = await succeed(start("curriculum", [6]))
    const lengths = [...stdout.matchAll(/(\S+) tokens a row/g)].map((match) => Number(match[1]))
    expect(lengths).toHaveLength(6)
    const stages = [0, 2, 4].map((from) => mean(lengths.slice(from, from + 2)))
    expect(stages).toEqual(stages.toSorted((a, b) => a - b))
    // at most 8 words, with few of them in more than one piece, and two special tokens
    expect(Math.max(...lengths.slice(0, 2))).toBeLessThan(14)
    expect(stages[2]! / stages[0]!).toBeGreaterThan(1.3)
  },
  TIMEOUT
)

test(
  "two-adapters: one base in memory, two adapters of the size that their ranks say, each with its own classes",
  async () => {
    const stdout = await twoAdapters()
    const sizes = /in MB: base (\S+), adapters (\S+) and (\S+)/.exec(stdout)!.slice(1).map(Number)
    const megabytes = (rank: number) => (4 * (LAYERS * 4 * rank * 2 * HIDDEN + (HIDDEN + 1) * CLASSES)) / 1e6
    expect(sizes[1]).toBe(Number(megabytes(8).toFixed(2)))
    expect(sizes[2]).toBe(Number(megabytes(4).toFixed(2)))
    // 57 MB in all, of which native leaves 42 MB of linear layers in their file, with 8 bytes a row
    const [least, most] = hasNative ? [14, 16] : [56, 58]
    expect(sizes[0]!).toBeGreaterThan(least)
    expect(sizes[0]!).toBeLessThan(most)
    expect(stdout).toMatch(/^(negative|positive), (states|asks): What a delightful little film\.$/m)
    expect(stdout).toMatch(/^(negative|positive), (states|asks): Why is this dull film so long\?$/m)
    expect(lossesOf(stdout, 1)).toHaveLength(3)
  },
  TIMEOUT
)

/** The lesson's server, and how it is asked. */
const serve = async ({ command }: (typeof runtimes)[number]) => {
  const child = Bun.spawn([...command, join(folder, "http-server.ts"), "0"], { stdout: "pipe", stderr: "ignore" })
  let said = ""
  const decoder = new TextDecoder()
  for await (const bytes of child.stdout) {
    said += decoder.decode(bytes)
    if (said.includes("\n")) break
  }
  const url = said.trim()
  return {
    stop: async () => {
      child.kill()
      await child.exited
    },
    get: (path: string, signal?: AbortSignal) => fetch(`${url}${path}`, signal === undefined ? {} : { signal }),
    tensors: async () => ((await (await fetch(url)).json()) as { tensors: number }).tensors
  }
}

interface ServerEvent {
  readonly event: string
  readonly data: { readonly step?: number; readonly loss?: number; readonly accuracy?: number; readonly rows?: number }
}

/** The events of an answer as they come. */
async function* eventsOf(response: Response): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder()
  let text = ""
  for await (const bytes of response.body!) {
    text += decoder.decode(bytes, { stream: true })
    const whole = text.split("\n\n")
    text = whole.pop()!
    for (const one of whole) {
      const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(one)!
      yield { event: event!, data: JSON.parse(data!) }
    }
  }
}

describe("http-server", () => {
  for (const runtime of runtimes) {
    test(
      `${runtime.name}: events as steps are taken; a closed connection ends the training and frees its tensors`,
      async () => {
        const server = await serve(runtime)
        const idle = await server.tensors()
        const connection = new AbortController()
        const begun: Array<ServerEvent> = []
        for await (const event of eventsOf(await server.get("/train?steps=1000", connection.signal))) {
          begun.push(event)
          // while it trains, others are answered, and see the tensors that it holds
          expect(await server.tensors()).toBeGreaterThan(idle)
          if (begun.length === 2) break
        }
        expect(begun.map(({ event, data }) => [event, data.step])).toEqual([
          ["step", 1],
          ["step", 2]
        ])
        connection.abort()
        const deadline = performance.now() + 20_000
        while ((await server.tensors()) !== idle && performance.now() < deadline) await Bun.sleep(50)
        expect(await server.tensors()).toBe(idle)

        // and the server goes on: a whole training, the same numbers as beside another adapter
        const answer = await server.get("/train?steps=3")
        expect(answer.headers.get("content-type")).toBe("text/event-stream")
        const events = await Array.fromAsync(eventsOf(answer))
        expect(events.map(({ event }) => event)).toEqual(["step", "step", "step", "done"])
        expect(events[3]!.data).toMatchObject({ rows: 96, accuracy: expect.any(Number) })
        const losses = events.slice(0, 3).map(({ data }) => Number(data.loss!.toFixed(3)))
        expect(losses).toEqual([...lossesOf(await twoAdapters())])
        expect(await server.tensors()).toBe(idle)
        for (const steps of ["many", "0", "1e309", "2.5", "1001"])
          expect((await server.get(`/train?steps=${steps}`)).status).toBe(400)
        await server.stop()
      },
      2 * TIMEOUT
    )
  }
})
