/** The files of a project as `new` makes it, beside its plan and its data: what the runtime asks for and no more. */
import ownPackage from "../../package.json" with { type: "json" }

export type Runtime = "bun" | "deno" | "node"

/** The one that this was started with: `bunx` runs a command in Node where there is one, and names itself in the environment. */
export const runtimeHere = (): Runtime => {
  if (process.versions["deno"] !== undefined) return "deno"
  const bun = process.versions["bun"] !== undefined || process.env["npm_config_user_agent"]?.startsWith("bun/") === true
  return bun ? "bun" : "node"
}

export interface Project {
  readonly name: string
  readonly runtime: Runtime
  /** the command that uses a finished run, with its arguments: `predict runs/reviews-1 "your text"` */
  readonly next: string
  /** where the model is from, for the README */
  readonly model: string
  /** what is in `data/`, likewise */
  readonly data: string
}

const { name: dependency, version } = ownPackage
const range = `^${version}`
const onDeno = `deno run -A npm:${dependency}@${range}`

/** Where the package is in the project. */
export const installed = `node_modules/${dependency}`

/** What is typed in the project before a command: once, then each time. */
export const commandsOf = (runtime: Runtime): { readonly install: string | null; readonly run: string } =>
  ({
    bun: { install: "bun install", run: "bun run" },
    deno: { install: null, run: "deno task" },
    node: { install: "npm install", run: "npm run" }
  })[runtime]

/** Any command of the package, from the project. */
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
    "bunfig.toml": "# scripts run in Bun, whichever Node there is\n[run]\nbun = true\n"
  }),
  deno: (project) => ({
    "deno.json": json({
      // the plan names the model and its schema by their files
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
  // npm keeps options for itself, unless they come after "--"
  const use = runtime === "node" ? `${anyCommand.node} ${next}` : `${run} ${next}`
  const code = (...lines: ReadonlyArray<string>) => ["```sh", ...lines, "```"].join("\n")
  return `# ${name}

${model}, trained by [${dependency}](https://www.npmjs.com/package/${dependency}) on ${data}.

${code(...(install === null ? [] : [install]), `${run} validate    # what plan.json would train; reads no weights`, `${run} train       # leaves runs/${name}-1/, with report.html and the adapter`, use)}

\`plan.json\` is the whole of it: model, rows, method, steps. An editor completes it by its \`$schema\`; \`${anyCommand[runtime]} suggest plan.json\` says why each value
is what it is, and \`train plan.json --set training.steps=40\` changes one for a run.

${code(`${anyCommand[runtime]} --help      # evaluate, merge, compare and the rest`)}
`
}

/** Names and contents. */
export const projectFiles = (project: Project): Readonly<Record<string, string>> => ({
  ...ofRuntime[project.runtime](project),
  "README.md": readme(project),
  ".gitignore": "node_modules/\nruns/\n"
})

/** Why a name is none for a folder and a package, as npm has it; undefined where it is one. */
export const problemOfName = (name: string): string | undefined => {
  if (name === dependency) return "a package cannot depend on itself"
  if (/^(node_modules|favicon\.ico|con|prn|aux|nul|com\d|lpt\d)(\.|$)/.test(name)) return "it means something else"
  if (name.length > 214) return "it has more than 214 characters"
  return /^[a-z0-9][a-z0-9._~-]*$/.test(name) && !name.endsWith(".")
    ? undefined
    : "a name has small letters, digits and - . _ ~, and begins with a letter or a digit"
}
