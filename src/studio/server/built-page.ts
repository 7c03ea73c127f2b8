/**
 * The folder of the built page: next to the program in the npm package; in a clone it is built by Vite, when it is asked for and whenever its
 * sources are newer.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/** The page is missing and cannot be built. */
export class NoPage extends Schema.TaggedError<NoPage>()("NoPage", { reason: Schema.String }) {
  override get message() {
    return `the studio's page is missing and cannot be built: ${this.reason}`
  }
}

const newest = (folder: string): Effect.Effect<number, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const names = yield* fs.readDirectory(folder, { recursive: true }).pipe(Effect.orElseSucceed(() => []))
    const times = yield* Effect.forEach(names, (name) =>
      fs.stat(path.join(folder, name)).pipe(
        Effect.map(({ mtime }) => Option.getOrElse(mtime, () => new Date(0)).getTime()),
        Effect.orElseSucceed(() => 0)
      )
    )
    return Math.max(0, ...times)
  })

/** Names a folder with a page that is built already. */
export const PAGE_VARIABLE = "TFJS_LORA_PRO_STUDIO_PAGE"

/** The folder with index.html. */
export const builtPage = Effect.gen(function* () {
  const folder = process.env[PAGE_VARIABLE]
  if (folder !== undefined && folder !== "") return folder
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const exists = (file: string) => fs.exists(file).pipe(Effect.orElseSucceed(() => false))
  const room = path.resolve(import.meta.dirname, "..")
  const published = path.join(room, "built-page")
  if (yield* exists(path.join(published, "index.html"))) return published
  const sources = path.join(room, "page")
  const repository = path.resolve(room, "..", "..")
  const built = path.join(repository, "node_modules", ".cache", "tfjs-lora-pro", "studio")
  const [sourceTime, there] = [yield* newest(sources), yield* newest(built)]
  if (there > sourceTime) return built
  yield* build(repository, sources, built)
  return built
})

const build = (repository: string, sources: string, built: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const vite = path.join(repository, "node_modules", "vite", "bin", "vite.js")
    const config = path.join(sources, "vite.config.ts")
    const args = ["build", sources, "--config", config, "--outDir", built, "--emptyOutDir", "--logLevel", "warn"]
    const runtime = "Deno" in globalThis ? ["run", "-A", vite] : [vite]
    const failed = (reason: string) => new NoPage({ reason })
    const handle = yield* spawner
      .spawn(ChildProcess.make(process.execPath, [...runtime, ...args], { cwd: repository, stdin: "ignore" }))
      .pipe(Effect.mapError(({ message }) => failed(message)))
    const text = (stream: typeof handle.stderr) => stream.pipe(Stream.decodeText(), Stream.mkString)
    const [out, error, code] = yield* Effect.all([text(handle.stdout), text(handle.stderr), handle.exitCode], {
      concurrency: "unbounded"
    }).pipe(Effect.mapError(({ message }) => failed(message)))
    if (Number(code) !== 0) return yield* failed(`${out}${error}`.trim())
  }).pipe(Effect.scoped)
