/**
 * Arguments and flags of every command: the content of `--help`, without the code of the commands, which main.ts loads when a
 * command is called.
 */
import { Argument, type Command, Flag } from "effect/cli"
import * as Option from "effect/Option"
import type { Encoding, Separator } from "../../schemas/index.ts"
import { formatNames, formats } from "../exports/formats.ts"
import type { ExportFormat } from "../exports/index.ts"
import { type Column, columnDescriptions, columnNames, flagOf } from "../suggest/columns.ts"

/** Input of a command's code. */
export type Given<Flags extends Command.Command.Config> = Command.Command.Config.Infer<Flags>

const count = (name: string, least = 1) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (n) => n >= least,
      () => `an integer of at least ${least}`
    )
  )

/** Defines a flag for a count with a default value. */
const counted = (name: string, description: string, usual: number, least = 1) =>
  count(name, least).pipe(Flag.withDescription(description), Flag.withDefault(usual))

const number = (name: string, allowed: (n: number) => boolean, what: string) =>
  Flag.Finite(name).pipe(Flag.filter(allowed, () => what))

const optionalText = (name: string, description: string, metavar?: string) =>
  (metavar === undefined ? Flag.String(name) : Flag.String(name).pipe(Flag.withMetavar(metavar))).pipe(
    Flag.withDescription(description),
    Flag.optional
  )

/** Defines a flag without a value. */
const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

/** Defines a flag that can be repeated. */
const repeated = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.atLeast(0))

const port = (usual: number) =>
  Flag.Int("port").pipe(
    Flag.filter(
      (n) => n >= 0 && n <= 65_535,
      () => "an integer from 0 to 65535 (0: any free port)"
    ),
    Flag.withDescription("port to listen on (0: any free port)"),
    Flag.withDefault(usual)
  )

const device = Flag.Literals("device", ["auto", "webgpu", "native", "wasm", "cpu"]).pipe(
  Flag.withDescription("auto: WebGPU if there is a hardware adapter, else native if available, else wasm"),
  Flag.withDefault("auto")
)

const threads = count("threads").pipe(
  Flag.withDescription("number of threads for native and wasm (default: the plan's value, one per core unless set)"),
  Flag.optional
)

/** The number of threads for commands without a plan; default "auto". */
const threadsOrAuto = threads.pipe(Flag.map(Option.getOrElse(() => "auto" as const)))

const json = flag("json", "print only JSON to stdout")

const set = repeated(
  "set",
  "path=value",
  "override one value of the plan, e.g. --set adapter.rank=4 or --set training.epochs=2 (replaces training.steps); may be repeated"
)

const base = optionalText(
  "base",
  "base model, if it has moved or the adapter has no run: a folder, a file, a model.json or hf:owner/name"
)

const run = (description = "Run folder") => Argument.String("run").pipe(Argument.withDescription(description))

export const trainFlags = {
  plan: Argument.String("plan").pipe(
    Argument.withDescription("Plan file (default: the included example)"),
    Argument.optional
  ),
  set,
  device,
  threads,
  out: optionalText("out", "run folder, which must not exist (default: a new runs/<plan name>-<n>)"),
  resume: optionalText("resume", "folder of an interrupted run to resume, instead of a plan", "RUN"),
  mixedDevices: flag(
    "mixed-devices",
    "with several processes: allow them to use different devices, whose numbers differ"
  ),
  verbose: flag("verbose", "print all closing lines instead of the six most important"),
  json
}

export const validateFlags = {
  plans: Argument.String("plan").pipe(Argument.withDescription("Plan files"), Argument.atLeast(1)),
  modelOnly: flag(
    "model-only",
    "check the adapter against the model only: reads its config.json, but no weights and no rows"
  ),
  ranks: count("ranks", 2).pipe(
    Flag.withMetavar("N"),
    Flag.withDescription("show the work, memory and transfers of each of N processes (mpirun -n N … train)"),
    Flag.optional
  ),
  stepSeconds: number("step-seconds", (n) => n > 0, "a number of seconds above 0").pipe(
    Flag.withDescription("with --ranks: seconds per step in one process, to estimate how long N processes wait"),
    Flag.optional
  ),
  set,
  json
}

const columnFlags = Object.fromEntries(
  columnNames.map((name) => [name, optionalText(flagOf(name), columnDescriptions[name])])
) as { readonly [name in Column]: ReturnType<typeof optionalText> }

// repeated here, so that --help does not load the schema of plans
const separatorNames = ["comma", "semicolon", "tab", "pipe"] as const satisfies ReadonlyArray<Separator>
const encodings = ["utf-8", "latin1"] as const satisfies ReadonlyArray<Encoding>

/** Flags for rows other than the file of training rows. */
const rowFlags = {
  validation: optionalText("validation", "rows to evaluate on during training (default: a held-out part of --data)"),
  test: optionalText("test", "rows to evaluate on after training"),
  format: optionalText("format", "task to learn, a value of data.format (default: inferred from the first rows)"),
  ...columnFlags,
  separator: Flag.Literals("separator", separatorNames).pipe(
    Flag.withDescription("column separator of CSV files (default: inferred from the header and the first rows)"),
    Flag.optional
  ),
  encoding: Flag.Literals("encoding", encodings).pipe(
    Flag.withDescription("encoding of text files that are not UTF-8 and have no byte order mark"),
    Flag.optional
  )
}

const why = flag("why", "show the reason and source of every value instead of the three most important")

export const suggestFlags = {
  plan: Argument.String("plan").pipe(
    Argument.withDescription("Plan with the model and the data; all other values are suggested"),
    Argument.optional
  ),
  model: optionalText(
    "model",
    "base model: a folder, a .gguf file, hf:owner/name, or the model.json of a tf.LayersModel (default: an included model that suits the rows)"
  ),
  data: optionalText("data", "training rows, instead of a plan; the task is inferred from the first rows"),
  ...rowFlags,
  memory: count("memory").pipe(
    Flag.withMetavar("MB"),
    Flag.withDescription("memory limit of the run (default: the free memory of this machine)"),
    Flag.optional
  ),
  out: optionalText("out", "plan file to write, which must not exist (default: prints the plan to stdout)"),
  why,
  device,
  json
}

export const newFlags = {
  name: Argument.String("name").pipe(
    Argument.withDescription("Name of the project and its folder, which must not exist"),
    Argument.withDefault("my-model")
  ),
  data: optionalText("data", "training rows to copy into the project (default: movie sentences)"),
  runtime: Flag.Literals("runtime", ["bun", "deno", "node"]).pipe(
    Flag.withDescription("runtime of the project (default: the current one)"),
    Flag.optional
  ),
  model: optionalText(
    "model",
    "base model: a folder, a .gguf file, hf:owner/name, or the model.json of a tf.LayersModel (default: an included model that suits the rows)"
  ),
  ...rowFlags,
  why,
  device
}

const maxTokens = counted("max-tokens", "maximum number of tokens per text", 128)

const trained = "Run folder; with --base also a Hugging Face PEFT adapter: a folder or hf:owner/name"

export const evaluateFlags = {
  run: run(trained),
  ...columnFlags,
  data: optionalText("data", "data file with the plan's columns, to use instead of its test and validation splits"),
  generate: flag("generate", "language models only: generate an answer to each row's prompt and count the right ones"),
  match: Flag.Literals("match", ["exact", "number"]).pipe(
    Flag.withDescription(
      "with --generate: an answer is right if it equals the expected text (exact, the default) or if their last numbers are equal (number)"
    ),
    Flag.optional
  ),
  schema: optionalText(
    "schema",
    "with --generate: JSON file with a JSON Schema; reports how many answers match it and how many equal the expected value"
  ),
  constrained: flag(
    "constrained",
    "with --generate: restrict answers to calls and values that the row's tools and --schema allow"
  ),
  baseOnly: flag("base-only", "with --generate: use the base model without the adapter"),
  suite: optionalText(
    "suite",
    "language models only: ask the run and its base model the rows of a suite, and score the answers: gsm8k, gsm8k-zero-shot, humaneval, humaneval-instruct, or a .json file",
    "NAME|FILE"
  ),
  rows: count("rows").pipe(
    Flag.withDescription("with --suite: number of rows to ask, from the first (default: all)"),
    Flag.optional
  ),
  shots: count("shots", 0).pipe(
    Flag.withDescription("with --suite: number of solved rows to show before each question (default: the suite's)"),
    Flag.optional
  ),
  samples: count("samples").pipe(
    Flag.withDescription("with --suite: answers to each row, which need --temperature (default: 1)"),
    Flag.optional
  ),
  temperature: number("temperature", (n) => n >= 0, "a number of at least 0").pipe(
    Flag.withDescription("with --suite: 0: the most probable token; higher: more random (default: 0)"),
    Flag.optional
  ),
  seed: count("seed", 0).pipe(Flag.withDescription("with --suite: seed of the samples (default: 0)"), Flag.optional),
  record: optionalText(
    "record",
    "with --suite: JSONL file for the answers; those on record are not generated again, so a stopped evaluation continues",
    "FILE"
  ),
  maxTokens: count("max-tokens").pipe(
    Flag.withDescription("maximum number of tokens per text (default: 128, or the suite's)"),
    Flag.optional
  ),
  base,
  device,
  threads: threadsOrAuto,
  json
}

const texts = Argument.String("text").pipe(
  Argument.withDescription("Texts (default, or with -: one per line from stdin)"),
  Argument.atLeast(0)
)

export const predictFlags = {
  run: run(`${trained}, or an adapter of a tf.LayersModel`),
  texts,
  data: optionalText("data", "data file with the plan's columns, whose rows to predict"),
  out: optionalText(
    "out",
    "with --data: .csv, .tsv or .jsonl file for the rows and their predictions, which must not exist"
  ),
  base,
  device,
  threads: threadsOrAuto,
  json
}

const model = Argument.String("model").pipe(
  Argument.withMetavar("RUN|MODEL"),
  Argument.withDescription(
    "Run folder, Hugging Face folder, .gguf file or hf:owner/name; with --base also a Hugging Face PEFT adapter"
  )
)

export const embedFlags = {
  model: Argument.String("model").pipe(
    Argument.withMetavar("RUN|MODEL"),
    Argument.withDescription("Run folder, or the Hugging Face folder of an encoder")
  ),
  texts,
  out: optionalText("out", "file to write, which must not exist: one JSON object per line, with text and vector"),
  base,
  device,
  threads: threadsOrAuto,
  json
}

const isPrice = (text: string) => /^\d+(\.\d+)?,\d+(\.\d+)?$/.test(text)

export const judgeFlags = {
  run: run(trained),
  endpoint: Flag.String("endpoint").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "address of the judge's OpenAI-compatible API, such as http://127.0.0.1:8080/v1; its key is TFJS_LORA_PRO_JUDGE_KEY"
    )
  ),
  judge: Flag.String("judge").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("the judging model's name on that server")
  ),
  dialogues: count("dialogues").pipe(
    Flag.withDescription("number of dialogues, spread over the categories (default: all 80)"),
    Flag.optional
  ),
  rubric: optionalText("rubric", "text file that says what the judge looks at, instead of the built-in rubric", "FILE"),
  record: optionalText(
    "record",
    "JSONL file of the judge's answers: what it holds is not asked again (default: none)",
    "FILE"
  ),
  prices: Flag.String("prices").pipe(
    Flag.withMetavar("IN,OUT"),
    Flag.filter(isPrice, () => "two numbers, such as 0.15,0.60"),
    Flag.withDescription("dollars per million tokens of questions and of answers, for the bill and --budget"),
    Flag.optional
  ),
  budget: number("budget", (n) => n > 0, "a number above 0").pipe(
    Flag.withDescription("dollars after which the judge is not asked any more; needs --prices"),
    Flag.optional
  ),
  maxTokens: counted("max-tokens", "maximum number of tokens per answer", 256),
  base,
  device,
  threads: threadsOrAuto,
  json
}

/** Sampling options. */
export const samplingFlags = {
  maxTokens,
  temperature: number("temperature", (n) => n >= 0, "a number of at least 0").pipe(
    Flag.withDescription("0: always the most probable token"),
    Flag.withDefault(0)
  ),
  topK: count("top-k").pipe(Flag.withDescription("sample from the k most probable tokens"), Flag.optional),
  topP: number("top-p", (n) => n > 0 && n <= 1, "a number above 0 and at most 1").pipe(
    Flag.withDescription("sample from the most probable tokens whose probabilities sum to this value"),
    Flag.withDefault(1)
  ),
  repetitionPenalty: number("repetition-penalty", (n) => n > 0, "a number above 0").pipe(
    Flag.withDescription("values above 1 make repeated tokens less probable"),
    Flag.withDefault(1)
  ),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("random seed for sampling (temperature above 0)"),
    Flag.withDefault(0)
  ),
  stop: repeated("stop", "STR", "stop before this string; may be repeated"),
  baseOnly: flag("base-only", "use the base model without the adapter")
}

const writingFlags = { ...samplingFlags, base, device, threads: threadsOrAuto }

const tools = optionalText("tools", "JSON file with the tools that the model may call, in the format of OpenAI's API")

export const generateFlags = {
  model,
  tools,
  schema: optionalText("schema", "JSON file with a JSON Schema; the text will be a JSON value that matches it"),
  prompts: Argument.String("prompt").pipe(
    Argument.withDescription("Prompts (default, or with -: one per line from stdin)"),
    Argument.atLeast(0)
  ),
  ...writingFlags,
  beams: counted("beams", "number of beams in an encoder-decoder's beam search; returns the most probable text", 1),
  plain: flag("plain", "use the prompt unchanged, even if the run was trained on conversations or with a prefix"),
  json
}

export const chatFlags = {
  model,
  tools,
  system: optionalText("system", "system prompt of the conversation", "STR"),
  ...writingFlags
}

export const studioFlags = {
  host: Flag.String("host").pipe(Flag.withDescription("address to listen on"), Flag.withDefault("127.0.0.1")),
  port: port(4545),
  device,
  threads: threadsOrAuto
}

export const serveFlags = {
  runs: Argument.String("run").pipe(
    Argument.withMetavar("RUN|NAME=RUN"),
    Argument.withDescription(
      "Run folders, served under their own names or as NAME; with --base also Hugging Face PEFT adapters"
    ),
    Argument.atLeast(0)
  ),
  host: Flag.String("host").pipe(
    Flag.withDescription("address to listen on (0.0.0.0: all addresses of this machine)"),
    Flag.withDefault("127.0.0.1")
  ),
  port: port(8000),
  adapters: optionalText(
    "adapters",
    "folder of runs that clients may load while the server runs (POST /adapters), with the token in the variable TFJS_LORA_PRO_TOKEN"
  ),
  cors: repeated("cors", "ORIGIN", "origin whose pages may send requests, e.g. https://example.org; may be repeated"),
  batch: counted("batch", "maximum number of rows, from different requests, in one batch", 32),
  batchWait: number("batch-wait", (n) => n >= 0 && n <= 1000, "a number from 0 to 1000").pipe(
    Flag.withMetavar("ms"),
    Flag.withDescription("milliseconds that an idle device waits for more rows after the first"),
    Flag.withDefault(3)
  ),
  grace: number("grace", (n) => n >= 0 && n <= 3600, "a number from 0 to 3600").pipe(
    Flag.withMetavar("s"),
    Flag.withDescription("seconds that open requests have to finish after SIGTERM or Ctrl-C"),
    Flag.withDefault(10)
  ),
  base,
  device,
  threads: threadsOrAuto
}

export const mergeFlags = {
  run: run(trained),
  out: optionalText("out", "folder to create, which must not exist (default: RUN/merged)"),
  base,
  device,
  threads: threadsOrAuto,
  json
}

/** A flag for every option of an export format; formats share flags of the same name. */
const formatFlags: Readonly<Record<string, ReturnType<typeof optionalText>>> = Object.fromEntries(
  [...new Set(formats.flatMap(({ options }) => Object.keys(options)))].map((name) => {
    const descriptions = formats.flatMap(({ name: format, options }: ExportFormat) => {
      const option = options[name]
      if (option === undefined) return []
      const { summary, values, usual, several } = option
      return [`${format}: ${summary}, ${several ? "of" : "one of"} ${values.join(", ")} (default: ${usual.join(",")})`]
    })
    return [name, optionalText(name, descriptions.join("; "))]
  })
)

export const exportFlags = {
  run: run(trained),
  format: Flag.Literals("format", formatNames).pipe(
    Flag.withDescription(formats.map(({ name, summary }) => `${name}: ${summary}`).join("; "))
  ),
  options: formatFlags,
  out: optionalText("out", "folder to create, which must not exist (default: RUN/<format>)"),
  base,
  device,
  threads: threadsOrAuto,
  json
}

export const pushFlags = {
  run: run("Run folder of a finished run"),
  repository: Argument.String("owner/name").pipe(Argument.withDescription("Repository of the Hugging Face Hub")),
  merged: flag("merged", "send RUN/merged, written by merge, instead of the adapter"),
  folder: optionalText("folder", "send this folder, written by export, instead of the adapter", "DIR"),
  report: flag("report", "also send report.html, which shows misclassified rows"),
  baseModel: optionalText(
    "base-model",
    "name of the base model on the Hub, owner/name (default: the plan's, if it is hf:owner/name)"
  ),
  private: flag("private", "make the repository private; an existing one must be private"),
  branch: Flag.String("branch").pipe(
    Flag.withAlias("revision"),
    Flag.withDescription("branch to commit to; created if it does not exist"),
    Flag.withDefault("main")
  ),
  message: optionalText("message", "the commit's message (default: the run's name)"),
  create: Flag.Literals("create", ["auto", "always", "never"]).pipe(
    Flag.withDescription(
      "auto: create the repository if it does not exist, else add a commit; always: it must not exist; never: it must exist"
    ),
    Flag.withDefault("auto")
  ),
  dryRun: flag("dry-run", "list the files with their sizes; sends nothing and does not contact the Hub"),
  json
}

const partsOf = (text: string) => text.split(",").map((part) => part.trim())

/** Parses `a,b,c`; an error repeats the text. */
const list = (name: string, what: string, allowed: (part: string) => boolean = (part) => part !== "") =>
  Flag.String(name).pipe(
    Flag.filter(
      (text) => partsOf(text).every(allowed),
      () => what
    ),
    Flag.map(partsOf)
  )

const isRate = (part: string) => part !== "" && Number.isFinite(Number(part)) && Number(part) > 0

const isRank = (part: string) => /^\d+$/.test(part) && Number(part) >= 1 && Number(part) <= 1024

const rates = "auto, or comma-separated learning rates above 0, such as 1e-4,2e-4"

/** Defines the flags of `compare`. `methods`: description of the methods for `--help`; listing them requires loading them. */
export const compareFlags = (methods: string) => ({
  plan: Argument.String("plan").pipe(
    Argument.withDescription(
      "Plan file; methods differ only in their own settings (without a plan: resumes the study in --out)"
    ),
    Argument.optional
  ),
  set,
  methods: list("methods", "comma-separated names, such as lora,lora-pro").pipe(
    Flag.withMetavar("a,b"),
    Flag.withDescription(methods),
    Flag.optional
  ),
  learningRates: list("learning-rates", rates, (part) => part === "auto" || isRate(part)).pipe(
    Flag.withMetavar("x,y"),
    Flag.withDescription("learning rates to try, the same for every method; auto: each method's own grid"),
    Flag.map((parts) => (parts.includes("auto") ? undefined : parts.map(Number))),
    Flag.withDefault(undefined)
  ),
  ranks: list("ranks", "comma-separated integers from 1 to 1024", isRank).pipe(
    Flag.withMetavar("4,8"),
    Flag.map((parts) => parts.map(Number)),
    Flag.withDescription("ranks to compare, for methods that have one (default: the plan's)"),
    Flag.optional
  ),
  seeds: counted("seeds", "number of seeds at each rate of the sweep", 2),
  freshSeeds: counted(
    "fresh-seeds",
    "number of further seeds at each method's best rate, evaluated on the test split",
    5
  ),
  commonRate: Flag.String("common-rate").pipe(
    Flag.withMetavar("x"),
    Flag.withDescription("also run every method at this one rate, as a user without time to tune would"),
    Flag.filter(isRate, () => "a learning rate above 0"),
    Flag.map(Number),
    Flag.optional
  ),
  halving: flag(
    "halving",
    "start with short runs, and drop the worse half of the rates each time before doubling the steps"
  ),
  widen: flag("widen", "extend a method's grid while its best rate is at the edge"),
  workers: counted("workers", "number of trials at a time on this machine (0: leave all to workers elsewhere)", 1, 0),
  trialRanks: count("trial-ranks").pipe(
    Flag.withMetavar("N"),
    Flag.withDescription(
      "processes per trial, started with mpirun -n N (TFJS_LORA_PRO_MPIRUN sets another command and its flags)"
    ),
    Flag.withDefault(1)
  ),
  out: optionalText(
    "out",
    "study folder (default: compare/<plan name>-<n>; an existing folder of the same study is reused)",
    "DIR"
  ),
  storage: optionalText(
    "storage",
    "sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE (default: a file in the study's folder)",
    "URL"
  ),
  worker: flag("worker", "run trials of any open study in --storage until Ctrl-C"),
  device,
  threads,
  json
})

export const schemaFlags = {
  types: flag("types", "write x.plan.d.json.ts, its TypeScript type, next to each x.plan.json"),
  adaptation: flag("adaptation", "print the schema of adaptation plans, for fitDataset and fit in code"),
  plans: Argument.String("plan").pipe(Argument.withDescription("Plan files, for --types"), Argument.atLeast(0))
}

export const doctorFlags = { json }
