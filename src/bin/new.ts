/** `new [NAME]`: creates a small project with a plan, its rows and the runtime's own files, ready to train. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import ownPackage from "../../package.json" with { type: "json" }
import { shownArgument } from "../boundary/index.ts"
import { placeInArchive } from "../data/index.ts"
import { fileError, inNewFolder } from "../files/index.ts"
import { isHubDataset } from "../hub/hub.ts"
import { kindOf } from "../kinds/index.ts"
import { Work } from "../progress/index.ts"
import { suggest as suggested, suggestionText } from "../suggest/index.ts"
import { embedded, includedModels } from "./embedded.ts"
import type { Given, newFlags } from "./flags.ts"
import { print, printBeside, screen, userError } from "./output.ts"
import { readGiven } from "./suggest.ts"
import { terminalListener } from "./terminal.ts"

export type Runtime = "bun" | "deno" | "node"

/** Returns the runtime that started this command: `bunx` runs it in Node if available, and names itself in the environment. */
export const runtimeHere = (): Runtime => {
  if (process.versions["deno"] !== undefined) return "deno"
  const bun = process.versions["bun"] !== undefined || process.env["npm_config_user_agent"]?.startsWith("bun/") === true
  return bun ? "bun" : "node"
}

export interface Project {
  readonly name: string
  readonly runtime: Runtime
  /** command that uses a finished run, with its arguments: `predict runs/reviews-1 "your text"` */
  readonly next: string
  /** origin of the model, for the README */
  readonly model: string
  /** content of `data/`, for the README */
  readonly data: string
}

const { name: dependency, version } = ownPackage
const range = `^${version}`
const onDeno = `deno run -A npm:${dependency}@${range}`

/** Path of the package in a folder that has it. */
const installed = `node_modules/${dependency}`

/** Returns the path of the package in a new project: in a folder above it, as Node resolves packages, or in its own after installation. */
const packageOf = (project: string, model: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const above = (folder: string): ReadonlyArray<string> => {
      const parent = path.dirname(folder)
      return parent === folder ? [] : [path.join(parent, installed), ...above(parent)]
    }
    const ancestor = yield* Effect.findFirst(above(path.resolve(project)), (folder) =>
      Effect.orElseSucceed(fs.exists(path.join(folder, model)), () => false)
    )
    return Option.match(ancestor, { onNone: () => installed, onSome: (folder) => path.relative(project, folder) })
  })

/** Returns the commands to type in the project: the installation, and the prefix of further commands. */
export const commandsOf = (runtime: Runtime): { readonly install: string | null; readonly run: string } =>
  ({
    bun: { install: "bun install", run: "bun run" },
    deno: { install: null, run: "deno task" },
    node: { install: "npm install", run: "npm run" }
  })[runtime]

/** Prefix of any command of the package, from the project. */
const anyCommand: { readonly [R in Runtime]: string } = {
  bun: `bunx --bun ${dependency}`,
  deno: onDeno,
  node: `npx ${dependency}`
}

const verbOf = ({ next }: Project): string => next.split(" ")[0]!

const scripts = (project: Project, command: string) => ({
  train: `${command} train plan.json`,
  validate: `${command} validate plan.json`,
  [verbOf(project)]: `${command} ${verbOf(project)}`
})

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

const manifest = (project: Project) => ({
  "package.json": json({
    name: project.name,
    private: true,
    type: "module",
    scripts: scripts(project, dependency),
    dependencies: { [dependency]: range }
  })
})

const ofRuntime: { readonly [R in Runtime]: (project: Project) => Readonly<Record<string, string>> } = {
  bun: (project) => ({
    ...manifest(project),
    "bunfig.toml": "# run scripts in Bun even if Node.js is installed\n[run]\nbun = true\n"
  }),
  deno: (project) => ({
    "deno.json": json({
      // the plan refers to files of the model and the schema
      nodeModulesDir: "auto",
      imports: { [dependency]: `npm:${dependency}@${range}` },
      tasks: scripts(project, onDeno)
    })
  }),
  node: manifest
}

const readme = (project: Project): string => {
  const { name, runtime, model, data, next } = project
  const { install, run } = commandsOf(runtime)
  // npm consumes options, unless they follow "--"
  const use = runtime === "node" ? `${anyCommand.node} ${next}` : `${run} ${next}`
  const code = (...lines: ReadonlyArray<string>) => ["```sh", ...lines, "```"].join("\n")
  return `# ${name}

${model}, trained by [${dependency}](https://www.npmjs.com/package/${dependency}) on ${data}.

${code(...(install === null ? [] : [install]), `${run} validate    # shows what plan.json would train; reads no weights`, `${run} train       # creates runs/${name}-1/ with report.html and the adapter`, use)}

\`plan.json\` defines the whole run: model, rows, method and steps. Editors complete it through its \`$schema\`. \`${anyCommand[runtime]} suggest plan.json\`
explains each value, and \`train plan.json --set training.steps=40\` overrides one for a single run.

${code(`${anyCommand[runtime]} --help      # evaluate, merge, compare and more`)}
`
}

/** Returns the files of a project in addition to its plan and its data, by name: only those that the runtime needs. */
export const projectFiles = (project: Project): Readonly<Record<string, string>> => ({
  ...ofRuntime[project.runtime](project),
  "README.md": readme(project),
  ".gitignore": "node_modules/\nruns/\n"
})

/** Returns why a name is invalid for a folder and an npm package, or undefined. */
export const problemOfName = (name: string): string | undefined => {
  if (name === dependency) return "a package cannot depend on itself"
  if (/^(node_modules|favicon\.ico|con|prn|aux|nul|com\d|lpt\d)(\.|$)/.test(name)) return "it is a reserved name"
  if (name.length > 214) return "it has more than 214 characters"
  return /^[a-z0-9][a-z0-9._~-]*$/.test(name) && !name.endsWith(".")
    ? undefined
    : "expected lowercase letters, digits and - . _ ~, beginning with a letter or a digit"
}

const splits = ["train", "validation", "test"] as const
type Split = (typeof splits)[number]

/** Maximum bytes: a larger file is not copied. */
const MOST_COPIED = 100_000_000

/** Returns the place of a split in a project: `reviews.csv` → `data/train.csv`, a folder → `data/train`. */
const placeOf = (split: Split, file: string, isFolder: boolean): string =>
  `data/${split}${isFolder ? "" : (/(\.[a-z]+(?:\.gz)?)$/i.exec(file)?.[1]?.toLowerCase() ?? "")}`

/** Returns the bytes of a file, or of all files in a folder. */
const bytesIn = (source: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const { type, size } = yield* fs.stat(source)
    if (type !== "Directory") return { isFolder: false, bytes: Number(size) }
    const names = yield* fs.readDirectory(source, { recursive: true })
    const sizes = yield* Effect.forEach(names, (name) =>
      Effect.map(fs.stat(path.join(source, name)), ({ type, size }) => (type === "File" ? Number(size) : 0))
    )
    return { isFolder: true, bytes: sizes.reduce((sum, size) => sum + size, 0) }
  }).pipe(Effect.mapError(fileError("read", source)))

/** Replaces missing rows by the bundled ones. */
const withEmbedded = <Flags extends Pick<Given<typeof newFlags>, "data" | "validation" | "test">>(
  flags: Flags
): Flags => ({
  ...flags,
  ...(Option.isSome(flags.data)
    ? {}
    : {
        data: Option.some(embedded.data.train),
        validation: Option.some(embedded.data.validation),
        test: Option.some(embedded.data.test)
      })
})

/** Returns the absolute paths of a plan's splits. */
const filesOf = (data: { readonly [split in Split]?: string | number }) =>
  splits.flatMap((split) => {
    const file = data[split]
    return typeof file === "string" ? [[split, file] as const] : []
  })

export const newProject = ({ name, runtime: chosenRuntime, device, why, ...flags }: Given<typeof newFlags>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const problem = problemOfName(name)
    if (problem !== undefined) return yield* userError(`found the name ${shownArgument(name)}: ${problem}`)
    if (yield* fs.exists(name).pipe(Effect.mapError(fileError("read", name))))
      return yield* userError(`${name} exists already and is left unchanged; give another name`)
    if (Option.isNone(flags.data) && Option.isSome(Option.orElse(flags.validation, () => flags.test)))
      return yield* userError("found rows to evaluate on but none to train on; pass training rows with --data FILE")
    const runtime = Option.getOrElse(chosenRuntime, runtimeHere)
    const sources = withEmbedded(flags)
    const models = Object.values(includedModels)
    const plan = yield* readGiven({ ...sources, plan: Option.none() })
    const kind = yield* kindOf(plan)
    const suggestion = yield* suggested(kind, plan, path.resolve(name), { device })
    const local = filesOf(plan.data).filter(([, source]) => !isHubDataset(source))
    const splitFiles = yield* Effect.forEach(local, ([split, source]) => {
      const { archive: file = source, inside = "" } = placeInArchive(source) ?? {}
      return Effect.map(bytesIn(file), ({ isFolder, bytes }) => {
        const copy = inside === "" ? placeOf(split, file, isFolder) : `data/${path.basename(file)}`
        return { split, file, isCopied: bytes <= MOST_COPIED, copy, place: path.join(copy, inside) }
      })
    })
    const copied = splitFiles.filter(({ isCopied }) => isCopied)
    const { model, data } = suggestion.plan
    const included = Option.isSome(flags.model) ? undefined : models.find(({ source }) => source === plan.model.source)
    const packagePath = included === undefined ? installed : yield* packageOf(name, included.inPackage)
    const portablePlan = {
      $schema: `./${packagePath}/schemas/run-plan.schema.json`,
      ...suggestion.plan,
      model: included === undefined ? model : { ...model, source: `${packagePath}/${included.inPackage}` },
      data: { ...data, ...Object.fromEntries(copied.map(({ split, place }) => [split, place])) }
    }
    const project = {
      name,
      runtime,
      next: kind.next(plan, `runs/${name}-1`),
      model: included?.title ?? `\`${model.source}\``,
      data: Option.match(flags.data, {
        onNone: () => "movie sentences (an extract of VADER's data, MIT, C.J. Hutto)",
        onSome: (file) => `\`${path.basename(file)}\``
      })
    }
    yield* inNewFolder(name, (folder) =>
      Effect.gen(function* () {
        const files = { ...projectFiles(project), "plan.json": `${JSON.stringify(portablePlan, null, 2)}\n` }
        for (const [file, content] of Object.entries(files)) yield* fs.writeFileString(path.join(folder, file), content)
        yield* fs.makeDirectory(path.join(folder, "data"))
        // several splits may be in one archive
        const copies = new Map(copied.map(({ file, copy }) => [copy, file]))
        for (const [copy, file] of copies) yield* fs.copy(file, path.join(folder, copy))
      }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", name)(error))))
    )
    yield* printBeside(`${suggestionText(suggestion, { why })}\n`)
    for (const { file } of splitFiles.filter(({ isCopied }) => !isCopied))
      yield* printBeside(`note: ${file} is large and was not copied; plan.json refers to its present location`)
    const { install, run } = commandsOf(runtime)
    yield* print(
      [
        `${name}/ is ready: plan.json, data/, and README.md with the commands.`,
        "",
        `  cd ${name}`,
        ...(install === null ? [] : [`  ${install}`]),
        `  ${run} train`
      ].join("\n")
    )
  }).pipe(Effect.scoped, Effect.provideService(Work, terminalListener(screen)))
