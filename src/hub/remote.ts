/**
 * Reads repositories of the Hub through `@huggingface/hub`: the commit of a revision, and its files with their hashes.
 *
 * The package reads responses of any length and would send its token to any address in a response. Therefore it receives no token, and a
 * `fetch` that knows which server may have the token and how long a response may be.
 */
import type * as Hub from "@huggingface/hub"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { count, problemsOf, text } from "../../schemas/index.ts"
import { cut, isRecord, limit, messageOf, overLimit, withoutSecrets } from "../boundary/index.ts"
import { parseBoundedJson, readAnswer } from "../files/index.ts"
import { isCommit } from "./cache.ts"
import { HubError, hubError, isHubDataset } from "./hub.ts"
import type { HubSettings, HubSource } from "./hub-source.ts"

export interface RemoteFile {
  readonly path: string
  readonly size: number
  readonly hash: string
  /** "sha256": of the content; "git": SHA-1 of "blob <size>\0" followed by the content */
  readonly kind: "sha256" | "git"
}

/** The network does not respond. Every other failure is a HubError. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { reason: Schema.String }) {}

export const unreachable = (cause: unknown) => {
  // Node gives the reason in the cause; Bun appends advice for programmers
  const detail = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const reason = messageOf(detail)
  return new Unreachable({ reason: reason.replace(/\. For more information, pass .*$/s, "") })
}

/** Loads the package on first use, so that programs with local models do not load it. */
export const hub = (): Promise<typeof Hub> => import("@huggingface/hub")

export const commitOf = (
  { source, type, repository, revision }: HubSource,
  settings: HubSettings
): Effect.Effect<string, HubError | Unreachable> =>
  Effect.gen(function* () {
    const commit = yield* call(source, settings, async (request): Promise<unknown> => {
      const { datasetInfo, modelInfo } = await hub()
      const options = packageOptions(settings, readingJson(source, settings, request))
      const revisionOptions = { ...options, name: repository, revision, additionalFields: ["sha" as const] }
      return (await (type === "model" ? modelInfo(revisionOptions) : datasetInfo(revisionOptions))).sha
    })
    if (typeof commit === "string" && isCommit(commit)) return commit
    const answerText = cut(JSON.stringify(commit) ?? "nothing")
    return yield* hubError(source, `the Hub names ${answerText} as its commit; expected 40 hexadecimal digits`)
  })

/** Lists the files of a commit: the top level only if `file` is at the top level, otherwise all folders. */
export const filesOf = (
  { source, type, repository, file }: HubSource,
  commit: string,
  settings: HubSettings
): Effect.Effect<ReadonlyArray<RemoteFile>, HubError | Unreachable> =>
  call(source, settings, async (request) => {
    const { listFiles } = await hub()
    const recursive = file?.includes("/") ?? true
    const options = packageOptions(settings, onceEach(source, readingJson(source, settings, request)))
    const files = new Map<string, RemoteFile>()
    let entries = 0
    for await (const entry of listFiles({
      ...options,
      repo: { type, name: repository },
      revision: commit,
      recursive
    })) {
      if (++entries > limit("hub-files")) throw hubError(source, `its listing has more than ${overLimit("hub-files")}`)
      if (isRecord(entry) && entry["type"] === "directory") continue
      const wrong = (problem: string) => hubError(source, `its listing cannot be used: entry ${entries}: ${problem}`)
      const decoded = remoteFile(entry)
      if (Result.isFailure(decoded)) throw wrong(decoded.failure)
      if (files.has(decoded.success.path)) throw wrong(`path: found ${decoded.success.path} for the second time`)
      files.set(decoded.success.path, decoded.success)
    }
    return [...files.values()]
  })

const path = text("a path inside the repository", "relative").check(
  Schema.makeFilter(
    (path) => path.split("/").every((part) => !["", ".", ".."].includes(part)) && !/\p{Cc}/u.test(path),
    { expected: "a path inside the repository" }
  )
)
const hash = (digits: number) => {
  const expected = `${digits} hexadecimal digits`
  // a hash becomes a file name
  return text(expected, "hash").check(Schema.isPattern(new RegExp(`^[0-9a-f]{${digits}}$`), { expected }))
}
const size = count(0, "bytes")
/** An entry of a listing. `oid` is git's hash; for a large file, that of its pointer. */
const ListedFile = Schema.Struct({
  path,
  size,
  oid: hash(40),
  lfs: Schema.optionalKey(Schema.Struct({ size, oid: hash(64) }))
})
const decodeFile = Schema.decodeUnknownResult(ListedFile, { reportInput: true })

/** Converts an entry of a listing to a file, or to a description of the problem. */
const remoteFile = (entry: unknown): Result.Result<RemoteFile, string> => {
  const decoded = decodeFile(entry)
  if (Result.isFailure(decoded)) {
    const [problem] = problemsOf(decoded.failure.issue, ListedFile.ast)
    return Result.fail(problem?.path === "" ? problem.message : `${problem?.path}: ${problem?.message}`)
  }
  const { path, size, oid, lfs } = decoded.success
  return Result.succeed(
    lfs === undefined ? { path, size, hash: oid, kind: "git" } : { path, size: lfs.size, hash: lfs.oid, kind: "sha256" }
  )
}

export type Fetch = (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>

/** Common options of all calls to the package. The cast adds the members of Bun's `fetch` other than the call. */
export const packageOptions = ({ endpoint }: HubSettings, request: Fetch) => ({
  hubUrl: endpoint,
  fetch: request as typeof fetch
})

/** Runs one or several related requests, aborted on a timeout or when the effect is interrupted. Fails with a readable HubError. */
export const call = <A>(
  source: string,
  settings: HubSettings,
  run: (request: Fetch) => Promise<A>
): Effect.Effect<A, HubError | Unreachable> =>
  Effect.tryPromise({
    try: (signal) => run(requesting(source, settings, signal)),
    catch: (cause) => {
      if (cause instanceof HubError || cause instanceof Unreachable) return cause
      const reason = messageOf(cause)
      return hubError(source, `${settings.endpoint} sent an invalid response: ${cut(reason)}`)
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: Duration.seconds(limit("hub-seconds")),
      orElse: () => Effect.fail(unreachable(`no answer within ${overLimit("hub-seconds")}`))
    })
  )

/**
 * Returns a `fetch` that sends the token to the endpoint only: not for a listing page on another server, and not after a redirect, on which
 * runtimes keep the Authorization header for the same origin only. Rejects with a description of an invalid response.
 */
export const requesting =
  (source: string, { endpoint, authorization, authorizedBy }: HubSettings, signal: AbortSignal): Fetch =>
  async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const headers = new Headers(init.headers)
    // Bun's fetch also opens file:, data: and s3:
    if (!/^https?:$/.test(url.protocol)) {
      const address = cut(withoutSecrets(url.href))
      throw hubError(source, `${endpoint} names the address ${address}; expected an http or https address`)
    }
    if (authorization !== undefined && url.origin === new URL(endpoint).origin) {
      if (isReadable(url)) {
        const without = /^[A-Z_]+$/.test(authorizedBy) ? `unset ${authorizedBy}` : `remove ${authorizedBy}`
        const remedy = `set HF_ENDPOINT to an https address, or ${without}`
        throw hubError(
          source,
          `${endpoint} would receive the token over plain http, where others can read it; ${remedy}`
        )
      }
      headers.set("authorization", authorization)
    }
    const response = await fetch(url, { signal, ...init, headers }).catch((cause) => {
      throw unreachable(cause)
    })
    if (endpoint.startsWith("https:") && response.url.startsWith("http:")) {
      const to = cut(withoutSecrets(response.url))
      throw hubError(source, `${endpoint} redirects to ${to}, which is not encrypted`)
    }
    return response
  }

/** Checks whether others on the network path could read the requests to a URL. */
const isReadable = ({ protocol, hostname }: URL): boolean =>
  protocol === "http:" && !/^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(hostname)

/** The same for JSON responses: reads the whole body, bounded in size and depth, since the package sets no bounds. */
const readingJson =
  (source: string, settings: HubSettings, request: Fetch): Fetch =>
  async (input, init) => {
    const response = succeeded(source, settings, await request(input, init))
    const bytes = await readAnswer(response, limit("text-file-bytes")).catch((cause) => {
      throw unreachable(cause)
    })
    const text = bytes === undefined ? undefined : new TextDecoder().decode(bytes)
    const parsed =
      text === undefined ? { problem: `has more than ${overLimit("text-file-bytes")}` } : parseBoundedJson(text)
    if ("problem" in parsed) throw hubError(source, `the answer of ${settings.endpoint} ${parsed.problem}`)
    return new Response(text, { headers: response.headers })
  }

/** The same for the pages of a listing. */
const onceEach = (source: string, request: Fetch): Fetch => {
  const pages = new Set<string>()
  return async (input, init) => {
    const page = String(input)
    if (pages.has(page))
      throw hubError(source, "its listing is circular: a page refers to itself or an earlier page as the next")
    if (pages.add(page).size > limit("hub-pages")) {
      throw hubError(source, `its listing has more than ${overLimit("hub-pages")}`)
    }
    return request(input, init)
  }
}

/** Returns a successful response. Throws a HubError that explains the status otherwise. */
export const succeeded = (source: string, settings: HubSettings, response: Response): Response => {
  if (response.ok) return response
  response.body?.cancel().catch(() => undefined) // it may be broken as well
  throw failureOf(source, settings, response.status)
}

const failureOf = (
  source: string,
  { endpoint, authorization, authorizedBy }: HubSettings,
  status: number
): HubError | Unreachable => {
  if (status === 401 || status === 403) {
    const remedy =
      authorization === undefined
        ? "set HF_TOKEN or run hf auth login, and accept its licence on its page if it is gated"
        : `the token in ${authorizedBy} has no access to it; accept its licence on its page if it is gated`
    return hubError(source, `is private, gated or does not exist at ${endpoint} (status ${status}); ${remedy}`)
  }
  if (status === 404)
    return hubError(
      source,
      `no such ${isHubDataset(source) ? "data set" : "model"} or revision at ${endpoint}; check the spelling of owner, name and revision`
    )
  if (status >= 500 || status === 429) return unreachable(`status ${status}`)
  return hubError(source, `${endpoint} responded with status ${status}`)
}
