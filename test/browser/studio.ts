/**
 * A studio as a test meets it: the command as a real process in a temporary folder of its own, with the files that the test puts there, on the
 * page as Vite builds it. The page is built once for its sources, whichever test asks first.
 *
 * @example
 * const studio = await openStudio({ files: { "data/reviews.csv": "text,label\ngood,yes\n" } })
 * afterAll(studio.close)
 * const { page } = await openPage(browser, studio.url)
 * await studio.call("runs", {})
 */
import { createHash } from "node:crypto"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import type { Browser } from "playwright-core"
import type { CallName, Input, Output, WatchEvent, WatchInput, WatchName } from "../../src/studio/protocol/index.ts"
import { cli, repository, run, succeed, withoutScript } from "../e2e/fixtures.ts"
import { type OpenPage, openPage } from "./chromium.ts"

/** Names a folder with a page that is built; empty: none is. */
const PAGE = "TFJS_LORA_PRO_STUDIO_PAGE"

const sources = join(repository, "src", "studio")
const reports = join(repository, "src", "output", "report")

/** What the page is built from: itself, the types and texts next to it, the tokens and charts of reports, and its packages. */
const keyOfSources = (): string => {
  const hash = createHash("sha256")
  const filesIn = (folder: string) =>
    (readdirSync(folder, { recursive: true }) as Array<string>)
      .filter((name) => /\.\w+$/.test(name))
      .sort()
      .map((name) => join(folder, name))
  for (const file of [...filesIn(sources), ...filesIn(reports), join(repository, "bun.lock")])
    hash.update(file.slice(repository.length)).update("\0").update(readFileSync(file)).update("\0")
  return hash.digest("hex").slice(0, 24)
}

/** The folder of the built page. */
export const builtStudioPage = async (): Promise<string> => {
  const cache = join(tmpdir(), "tfjs-lora-pro-studio-pages")
  const built = join(cache, keyOfSources())
  if (existsSync(join(built, "index.html"))) return built
  mkdirSync(cache, { recursive: true })
  const fresh = mkdtempSync(join(cache, "building-"))
  const vite = join(repository, "node_modules", "vite", "bin", "vite.js")
  const page = join(sources, "page")
  const options = ["--config", join(page, "vite.config.ts"), "--outDir", fresh, "--emptyOutDir", "--logLevel", "warn"]
  await succeed(run([process.execPath, vite, "build", page, ...options], { cwd: repository }))
  try {
    renameSync(fresh, built)
  } catch (error) {
    // another process was first
    if (!existsSync(join(built, "index.html"))) throw error
    rmSync(fresh, { recursive: true, force: true })
  }
  return built
}

export interface StudioOptions {
  /** what is in its folder: a text as it is, bytes as they are, anything else as JSON */
  readonly files?: Readonly<Record<string, unknown>>
  /** its folder, where the test has one of its own, which it removes itself */
  readonly folder?: string
  readonly args?: ReadonlyArray<string>
  /** one that is free unless given */
  readonly port?: number
  readonly env?: Readonly<Record<string, string | undefined>>
  /** the command before its arguments; Bun on the sources unless given */
  readonly program?: ReadonlyArray<string>
}

export interface OpenStudio {
  /** the newest address: what a browser opens, once */
  readonly url: string
  /** its scheme, host and port */
  readonly origin: string
  /** what a page that was opened sends with its requests */
  readonly secret: string
  /** the folder with all that the studio keeps of its own */
  readonly state: string
  /** its working directory */
  readonly folder: string
  readonly path: (...names: ReadonlyArray<string>) => string
  readonly write: (name: string, content: unknown) => void
  /** A request with the secret. */
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>
  /** Throws with the problem's message where there is one. */
  readonly call: <Name extends CallName>(name: Name, input: Input<Name>) => Promise<Output<Name>>
  /** Events until the loop is left. */
  readonly watch: <Name extends WatchName>(name: Name, input: WatchInput<Name>) => AsyncGenerator<WatchEvent<Name>>
  /** The first event of a watch for which `is` holds. */
  readonly until: <Name extends WatchName>(
    name: Name,
    input: WatchInput<Name>,
    is: (event: WatchEvent<Name>) => boolean
  ) => Promise<WatchEvent<Name>>
  readonly pid: number
  /** what it said on stderr so far */
  readonly said: () => string
  /** Ends the command as Ctrl-C does, its runs go on; its exit code. */
  readonly stop: () => Promise<number>
  /** Ends the command and every run that it started, and removes the folder. */
  readonly close: () => Promise<void>
}

const put = (folder: string, name: string, content: unknown): void => {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  const isPlain = typeof content === "string" || content instanceof Uint8Array
  writeFileSync(file, isPlain ? content : JSON.stringify(content, null, 2))
}

/** The processes of runs, or of studies, that a studio has recorded in its state. */
const recorded = (state: string, kind: "runs" | "studies"): ReadonlyArray<number> => {
  const records = join(state, kind)
  if (!existsSync(records)) return []
  return readdirSync(records).flatMap((name) => {
    if (!name.endsWith(".json")) return []
    const { owner } = JSON.parse(readFileSync(join(records, name), "utf8")) as {
      readonly owner?: { readonly pid: number }
    }
    return owner === undefined ? [] : [owner.pid]
  })
}

/** Kills a run's process. Its number may be another's by now, which works elsewhere. */
const end = (pid: number, folder: string): void => {
  try {
    if (process.platform === "linux" && readlinkSync(`/proc/${pid}/cwd`) !== realpathSync(folder)) return
    process.kill(pid, "SIGKILL")
  } catch {
    // it has ended
  }
}

export const openStudio = async ({
  files = {},
  folder: given,
  args = [],
  port = 0,
  env = {},
  program = [process.execPath, cli]
}: StudioOptions = {}): Promise<OpenStudio> => {
  const folder = given ?? mkdtempSync(join(tmpdir(), "studio-"))
  mkdirSync(folder, { recursive: true })
  // one for each folder, next to it: a studio that is opened again finds its state
  const stateHome = env["XDG_STATE_HOME"] ?? `${realpathSync(folder)}.state`
  const stateOf = (): string => {
    const all = join(stateHome, "tfjs-lora-pro", "studio")
    const names = existsSync(all) ? readdirSync(all) : []
    return join(all, names.find((name) => name.startsWith(`${basename(folder)}-`)) ?? "none")
  }
  for (const [name, content] of Object.entries(files)) put(folder, name, content)
  const child = Bun.spawn([...program, "studio", "--port", `${port}`, "--device", "wasm", "--threads", "1", ...args], {
    cwd: folder,
    env: {
      ...process.env,
      ...withoutScript,
      XDG_STATE_HOME: stateHome,
      ...(PAGE in env ? {} : { [PAGE]: await builtStudioPage() }),
      ...env
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe"
  })
  let said = ""
  const listening = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>))
      said += text
  })()
  const stop = async () => {
    child.kill("SIGINT")
    const code = await child.exited
    await listening
    return code
  }
  const close = async () => {
    await stop()
    for (const kind of ["studies", "runs"] as const) for (const pid of recorded(stateOf(), kind)) end(pid, folder)
    rmSync(stateHome, { recursive: true, force: true })
    if (given === undefined) rmSync(folder, { recursive: true, force: true })
  }
  const url = await (async () => {
    let text = ""
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)) {
      text += part
      if (text.includes("\n")) return text.slice(0, text.indexOf("\n"))
    }
    await listening
    throw new Error(`the studio ended: ${said}${text}`)
  })()
  const { origin, hash } = new URL(url)
  const entered = await fetch(`${origin}/open`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code: hash.slice("#open=".length) })
  })
  const { secret } = (await entered.json()) as { readonly secret: string }
  const authorization = `Bearer ${secret}`
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${origin}${path}`, {
      ...init,
      headers: { authorization, ...(init.headers as Record<string, string> | undefined) }
    })
  const post = async (path: string, input: unknown, signal?: AbortSignal) => {
    const response = await ask(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(input),
      ...(signal === undefined ? {} : { signal })
    })
    if (response.ok) return response
    const text = await response.text()
    throw new Error(text.startsWith("{") ? (JSON.parse(text) as { readonly message: string }).message : text)
  }
  async function* watch<Name extends WatchName>(name: Name, input: WatchInput<Name>): AsyncGenerator<WatchEvent<Name>> {
    const leave = new AbortController()
    try {
      const { body } = await post(`/watch/${name}`, input, leave.signal)
      let rest = ""
      const texts = body!.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
      for await (const text of texts) {
        const parts = `${rest}${text}`.split("\n\n")
        rest = parts.pop()!
        for (const part of parts) {
          const data = /^data: (.*)$/m.exec(part)?.[1]
          if (data === undefined || /^event: end$/m.test(part)) continue
          if (/^event: problem$/m.test(part))
            throw new Error((JSON.parse(data) as { readonly message: string }).message)
          yield JSON.parse(data) as WatchEvent<Name>
        }
      }
    } finally {
      leave.abort()
    }
  }
  const state = stateOf()
  return {
    get url() {
      return readFileSync(join(state, "address"), "utf8").trim()
    },
    origin,
    secret,
    state,
    folder,
    path: (...names) => join(folder, ...names),
    write: (name, content) => put(folder, name, content),
    fetch: ask,
    call: async (name, input) => (await post(`/call/${name}`, input)).json(),
    watch,
    until: async (name, input, is) => {
      for await (const event of watch(name, input)) if (is(event)) return event
      throw new Error(`${name} ended before what was waited for; the studio said: ${said}`)
    },
    pid: child.pid,
    said: () => said,
    stop,
    close
  }
}

/** A page of the studio, on a view: `#/runs/RUN`. */
export const openView = async (browser: Browser, { url }: OpenStudio, place = ""): Promise<OpenPage> => {
  const opened = await openPage(browser, url)
  opened.page.setDefaultTimeout(60_000)
  await opened.page.setViewportSize({ width: 1280, height: 800 })
  // as soon as the page is there, before its script listens to addresses
  await opened.page.evaluate((hash) => {
    location.hash = hash
  }, place)
  return opened
}
