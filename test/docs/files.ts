/** The files that a call of the command line reads and makes, by what its flags say. */
import { existsSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import * as Option from "effect/Option"
import { repository } from "./pages.ts"

type Values = Readonly<Record<string, unknown>>

const texts = (value: unknown): ReadonlyArray<string> => {
  if (Option.isOption(value)) return Option.isSome(value) ? texts(value.value) : []
  if (Array.isArray(value)) return value.flatMap(texts)
  return typeof value === "string" ? [value] : []
}

/** Flags and arguments that name what has to be there. */
const read = [
  "plan",
  "plans",
  "resume",
  "data",
  "validation",
  "test",
  "model",
  "base",
  "run",
  "runs",
  "adapters",
  "folder"
]

/** Is it a name of the Hub, which is not a file? */
const isElsewhere = (name: string): boolean => /^(hf:|https?:)/.test(name)

export const readBy = (values: Values): ReadonlyArray<string> =>
  read
    .flatMap((name) => texts(values[name]))
    .map((name) => name.replace(/^\w+=/, "")) // serve's NAME=RUN
    .filter((name) => !isElsewhere(name))

/** Where a plan of the repository says that its runs go. */
const directoryIn = (plan: string): string | undefined => {
  const path = join(repository, plan)
  if (!existsSync(path)) return undefined
  return JSON.parse(readFileSync(path, "utf8")).output?.directory
}

const EMBEDDED = "movies-lora-pro-full.json"

/** The folders that runs of a plan get when no flag names one: the first, and the second where the first is there. */
const runsOf = (plan: string): ReadonlyArray<string> => {
  const name = basename(plan, ".json")
  if (name === "plan") return [] // a run of plan.json is called after the folder that it lies in
  return [directoryIn(plan) ?? `runs/${name}-1`, `runs/${name}-2`]
}

export const madeBy = (command: string, values: Values): ReadonlyArray<string> => {
  const out = texts(values["out"])
  if (out.length > 0) return out
  const run = texts(values["run"])[0] ?? ""
  const usual: Readonly<Record<string, ReadonlyArray<string>>> = {
    train: runsOf(texts(values["plan"])[0] ?? EMBEDDED),
    merge: [`${run}/merged`],
    export: [`${run}/${texts(values["format"])[0]}`],
    new: texts(values["name"])
  }
  return usual[command] ?? []
}

/** What programs of the repository make, by the program. `--out FILE` speaks for itself. */
const programs: Readonly<Record<string, ReadonlyArray<string>>> = {
  "scripts/smollm2.ts": ["examples/models/smollm2"],
  "examples/digits/rows.ts": ["examples/digits/rows"],
  "examples/digits/adapt.ts": ["runs/digits-turned"]
}

export const madeByProgram = (words: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...words.flatMap((word) => programs[word] ?? []),
  ...words.flatMap((word, i) => (words[i - 1] === "--out" ? [word] : []))
]
