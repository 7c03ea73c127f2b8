/**
 * What an end-to-end test starts from: a working directory of its own with a tiny model, labelled rows and plans, and the command
 * line as a real process.
 *
 * The tiny models are the golden ones, which have no tokenizer: a WordPiece vocabulary of whole words is made for them here.
 */
import { afterAll } from "bun:test"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { platform } from "../../src/platform.ts"
import { readTensors } from "../../src/safetensors/index.ts"

export const repository = join(import.meta.dir, "..", "..")
const golden = join(repository, "test", "golden", "models")

/** Longer than any process here takes on a busy machine; one that still runs then hangs. */
export const TIMEOUT = 120_000

export interface Finished {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** An environment without what a package script says of itself, as one of `bun run test` does: programs go by it. */
export const withoutScript: Readonly<Record<string, undefined>> = Object.fromEntries(
  Object.keys(process.env).flatMap((name) => (/^npm_/i.test(name) ? [[name, undefined] as const] : []))
)

/** Runs a command to its end. */
export const run = async (
  command: ReadonlyArray<string>,
  {
    cwd,
    stdin,
    env,
    timeout = TIMEOUT
  }: {
    readonly cwd: string
    readonly stdin?: string
    readonly env?: Record<string, string | undefined>
    /** milliseconds, for what is known to take longer */
    readonly timeout?: number
  }
): Promise<Finished> => {
  const child = Bun.spawn([...command], {
    cwd,
    env: { ...process.env, ...env },
    stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
    timeout
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { code: await child.exited, stdout, stderr }
}

/** One thread: matrices of this size gain nothing from a second, and on a busy machine threads wait for each other. */
export const onWasm = ["--device", "wasm", "--threads", "1"]

export const cli = join(repository, "src", "bin", "tfjs-lora-pro.ts")

interface Request {
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly stdin: string | undefined
}

let answer: ((finished: Finished) => void) | undefined
let server: Bun.Subprocess<"ignore", "inherit", "inherit"> | undefined

const startServer = () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "served-cli.ts")], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc: (finished: Finished) => answer?.(finished),
    onExit: (_, code) => {
      server = undefined
      answer?.({ code: code ?? 1, stdout: "", stderr: "the process of the command line ended" })
    }
  })
  child.unref()
  return child
}

/**
 * The command line in a process that runs one command after the other: a process of its own for each loads all of the program each
 * time, which takes longer than most commands. While that one is busy, and where TEST_CLI is "process", a command has its own.
 */
const served = async ({ args, cwd, stdin }: Request): Promise<Finished> => {
  if (answer !== undefined || process.env["TEST_CLI"] === "process")
    return run([process.execPath, cli, ...args], { cwd, ...(stdin === undefined ? {} : { stdin }) })
  server ??= startServer()
  try {
    return await new Promise<Finished>((resolve) => {
      answer = resolve
      server!.send({ args, cwd, stdin } satisfies Request)
    })
  } finally {
    answer = undefined
  }
}

/** The words of all texts: what is not here is [UNK]. */
const words = ["the", "film", "is", "was", "a", "an", "very", "so", "and", "plot", "cast", "music", "story", "scene"]
const qualities = [
  ["bad", "dull", "awful", "weak", "sad"],
  ["fair", "plain", "usual", "mild", "mixed"],
  ["good", "great", "fine", "bright", "moving"]
] as const
const subjects = words.slice(9)

/** The classes of the tiny rows, in the order of their names. */
export const labels = ["bad", "fair", "good"] as const

export interface Row {
  readonly text: string
  readonly label: string
}

/** `count` rows of `labels` in turn, the same every time. Lengths differ, so that buckets and padding have work. */
export const tinyRows = (count: number, offset = 0): ReadonlyArray<Row> =>
  Array.from({ length: count }, (_, n) => {
    const i = n + offset
    const own = qualities[i % 3]!
    const word = own[(i * 7 + (i >> 2)) % 5]!
    const start = `the ${subjects[i % 5]!} ${i % 2 === 0 ? "is" : "was"} ${word}`
    const more = i % 4 === 0 ? "" : ` and the ${subjects[(i + 2) % 5]!} very ${own[(i * 3 + 1) % 5]!}`
    return { text: start + more, label: labels[i % 3]! }
  })

export const jsonLines = (rows: ReadonlyArray<unknown>): string =>
  `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`

/** A tokenizer of whole words: BERT's normalizer, splitter and template over the words above. */
const tokenizer = (padId: number) => {
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
  if (padId === 1) special.unshift(special.splice(1, 1)[0]!)
  if (special[padId] !== "[PAD]") throw new Error(`no place for a padding token at ${padId}`)
  const vocabulary = Object.fromEntries(
    [...special, ...words, ...qualities.flat(), ".", ",", "!"].map((w, i) => [w, i])
  )
  const marked = (name: string) => ({ SpecialToken: { id: name, type_id: 0 } })
  const template = (token: string) => ({ id: token, ids: [vocabulary[token]], tokens: [token] })
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.map((content) => ({
      id: vocabulary[content],
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [marked("[CLS]"), { Sequence: { id: "A", type_id: 0 } }, marked("[SEP]")],
      pair: [
        marked("[CLS]"),
        { Sequence: { id: "A", type_id: 0 } },
        marked("[SEP]"),
        { Sequence: { id: "B", type_id: 1 } },
        { SpecialToken: { id: "[SEP]", type_id: 1 } }
      ],
      special_tokens: { "[CLS]": template("[CLS]"), "[SEP]": template("[SEP]") }
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: vocabulary
    }
  }
}

export type TinyModel = "bert" | "minilm" | "modernbert" | "roberta" | "distilbert"

/** Tokens that every tiny model has positions for. */
const MAX_LENGTH = 16

export type Plan = Record<string, unknown> & { readonly data: Record<string, unknown> }

/** A plan of a few small steps over a workspace's own files; `sections` replace whole sections. */
export const tinyPlan = (model: string, sections: Record<string, unknown> = {}): Plan => ({
  seed: 1,
  model: { source: model },
  data: {
    format: "classification",
    train: "train.jsonl",
    validation: "validation.jsonl",
    test: "test.jsonl",
    maxLength: MAX_LENGTH
  },
  adapter: { method: "lora", rank: 4, alpha: 8 },
  optimizer: { kind: "lora-pro", learningRate: 1e-2 },
  training: { steps: 4, batchSize: 4 },
  ...sections
})

/** The names of everything below a folder, sorted: what a command that fails must leave as it was. */
export const listing = (folder: string): ReadonlyArray<string> =>
  (readdirSync(folder, { recursive: true }) as Array<string>).sort()

export interface Workspace {
  readonly directory: string
  readonly path: (name: string) => string
  /** Writes a file: text as it is, anything else as JSON. */
  readonly write: (name: string, content: unknown) => string
  readonly read: (name: string) => string
  readonly json: (name: string) => Record<string, unknown>
  readonly bytes: (name: string) => Uint8Array
  /** Copies a golden model and gives it a tokenizer. */
  readonly model: (name: TinyModel, folder?: string) => string
  /** The command line. */
  readonly cli: (args: ReadonlyArray<string>, stdin?: string) => Promise<Finished>
}

/** A project with its packages installed is many thousand files. */
const REMOVAL = 120_000

/** A fresh working directory with train.jsonl (24 rows), validation.jsonl (6) and test.jsonl (9); removed after the tests of the file. */
export const workspace = (): Workspace => {
  const directory = mkdtempSync(join(tmpdir(), "tfjs-lora-pro-"))
  afterAll(() => rmSync(directory, { recursive: true, force: true }), REMOVAL)
  const path = (name: string) => join(directory, name)
  const write = (name: string, content: unknown) => {
    mkdirSync(dirname(path(name)), { recursive: true })
    writeFileSync(path(name), typeof content === "string" ? content : JSON.stringify(content, null, 2))
    return name
  }
  write("train.jsonl", jsonLines(tinyRows(24)))
  write("validation.jsonl", jsonLines(tinyRows(6, 24)))
  write("test.jsonl", jsonLines(tinyRows(9, 30)))
  const read = (name: string) => readFileSync(path(name), "utf8")
  return {
    directory,
    path,
    write,
    read,
    json: (name) => JSON.parse(read(name)),
    bytes: (name) => readFileSync(path(name)),
    model: (name, folder = name) => {
      for (const file of ["config.json", "model.safetensors"])
        cpSync(join(golden, name, file), path(join(folder, file)))
      const { pad_token_id: padId } = JSON.parse(read(join(folder, "config.json")))
      write(join(folder, "tokenizer.json"), tokenizer(padId))
      return folder
    },
    cli: (args, stdin) => served({ args, cwd: directory, stdin })
  }
}

/** Runs the command line and fails with what it said, unless it ends well. */
export const succeed = async (finished: Promise<Finished>): Promise<Finished> => {
  const result = await finished
  if (result.code !== 0) throw new Error(`exit ${result.code}: ${result.stderr}${result.stdout}`)
  return result
}

/** The objects of a text with one JSON object a line. */
export const jsonObjects = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

export interface Predicted {
  readonly text: string
  readonly label: string
  readonly logits: Readonly<Record<string, number>>
}

/** What `predict --json` says of texts. */
export const predicted = async (
  w: Workspace,
  directory: string,
  texts: ReadonlyArray<string>
): Promise<ReadonlyArray<Predicted>> => {
  const { stdout } = await succeed(w.cli(["predict", directory, ...texts, "--json", ...onWasm]))
  return jsonObjects(stdout) as unknown as ReadonlyArray<Predicted>
}

/** The tensors of a safetensors file. */
export const tensorsIn = (w: Workspace, name: string) =>
  Effect.runPromise(readTensors(w.path(name)).pipe(Effect.provide(platform)))

/** A plan's name: its file's, without the ending. */
export const nameOf = (file: string): string => basename(file, ".json")
