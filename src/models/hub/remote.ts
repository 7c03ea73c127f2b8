/** What the Hub says of a repository, through `@huggingface/hub`: the commit that a revision names, and its files with their hashes. */
import type * as Hub from "@huggingface/hub"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type HubError, type HubSettings, type HubSource, hubError } from "./hub-source.ts"

export interface RemoteFile {
  readonly path: string
  readonly size: number
  readonly hash: string
  /** sha256: of the content; git: SHA-1 of "blob <size>\0" and the content */
  readonly kind: "sha256" | "git"
}

/** The network does not answer; everything else that fails is a HubError. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { reason: Schema.String }) {}

export const unreachable = (cause: unknown) =>
  new Unreachable({ reason: cause instanceof Error ? cause.message : String(cause) })

/** What every call to the package takes. `signal` ends the request where the effect is interrupted. */
const callOptions = ({ endpoint, token }: HubSettings, signal: AbortSignal) => ({
  hubUrl: endpoint,
  ...(token === undefined ? {} : { accessToken: token }),
  fetch: ((input: RequestInfo | URL, init?: RequestInit) => fetch(input, { ...init, signal })) as typeof fetch
})

/** Loaded where it is needed: a program that has its models on the disk does not pay for it. */
export const hub = (): Promise<typeof Hub> => import("@huggingface/hub")

export const commitOf = (
  { source, repository, revision }: HubSource,
  settings: HubSettings
): Effect.Effect<string, HubError | Unreachable> =>
  Effect.gen(function* () {
    const commit = yield* call(source, settings, async (options) => {
      const { modelInfo } = await hub()
      return (await modelInfo({ ...options, name: repository, revision, additionalFields: ["sha"] })).sha
    })
    if (/^[0-9a-f]{40}$/.test(commit)) return commit
    return yield* hubError(
      source,
      `the Hub names ${JSON.stringify(commit)} as its commit; expected 40 hexadecimal digits`
    )
  })

/** The files of a commit: those at the top, or all where `file` lies in a folder. */
export const filesOf = (
  { source, repository, file }: HubSource,
  commit: string,
  settings: HubSettings
): Effect.Effect<ReadonlyArray<RemoteFile>, HubError | Unreachable> =>
  Effect.gen(function* () {
    const entries = yield* call(source, settings, async (options) => {
      const { listFiles } = await hub()
      const recursive = file?.includes("/") ?? false
      return Array.fromAsync(listFiles({ ...options, repo: repository, revision: commit, recursive }))
    })
    return entries.flatMap(({ type, path, size, oid, lfs }): ReadonlyArray<RemoteFile> => {
      if (type !== "file") return []
      const entry: RemoteFile =
        lfs === undefined
          ? { path, size, hash: oid ?? "", kind: "git" }
          : { path, size: lfs.size, hash: lfs.oid, kind: "sha256" }
      // a hash becomes a file's name
      return /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(entry.hash) ? [entry] : []
    })
  })

/** One call of the package; its errors in words. */
export const call = <A>(
  source: string,
  settings: HubSettings,
  run: (options: ReturnType<typeof callOptions>) => Promise<A>
): Effect.Effect<A, HubError | Unreachable> =>
  Effect.tryPromise({
    try: (signal) => run(callOptions(settings, signal)),
    catch: (cause) => failureOf(source, settings, cause)
  })

export const failureOf = (source: string, { endpoint, token }: HubSettings, cause: unknown): HubError | Unreachable => {
  const status = (cause as { readonly statusCode?: unknown } | null)?.statusCode
  if (typeof status !== "number") return unreachable(cause)
  if (status === 401 || status === 403) {
    const remedy =
      token === undefined
        ? "set HF_TOKEN, and accept its licence on its page if it is gated"
        : "the token in HF_TOKEN has no access to it; accept its licence on its page if it is gated"
    return hubError(source, `is private, gated or does not exist at ${endpoint} (status ${status}); ${remedy}`)
  }
  if (status === 404) return hubError(source, `no such model or revision at ${endpoint}`)
  if (status >= 500 || status === 429) return unreachable(`status ${status}`)
  return hubError(source, `${endpoint} answered with status ${status}`)
}
