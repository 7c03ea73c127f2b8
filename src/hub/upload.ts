/**
 * Files to a repository of the Hub, in one commit, through `@huggingface/hub`:
 *
 *   POST /api/repos/create                      where it is to be made
 *   POST /api/models/owner/name/branch/b        where b is not "main"
 *   POST /api/models/owner/name/preupload/b     which of the files are large ones
 *   POST /owner/name.git/info/lfs/objects/batch where those go, and which of them are there already
 *   PUT  the storage's address                  each of them
 *   POST /api/models/owner/name/commit/b        the small ones, and that all of it is there now
 *
 * Nothing of a repository changes before the last. As in `remote.ts` the package gets no token, and a `fetch` that knows which server may
 * have it; nothing that a server says is read without a bound, or shown with the token in it.
 *
 * Large files go the way of Git LFS, which the Hub takes from every client, and not by its chunked storage (Xet): an adapter has some
 * megabytes, and the old way is one request for each.
 */
import type { CommitProgressEvent } from "@huggingface/hub"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { counted, cut, isRecord, limit, messageOf, overLimit } from "../boundary/index.ts"
import { parseBoundedJson, readAnswer } from "../files/index.ts"
import { HubError, hubError, type Told, type Upload, type Uploaded, type UploadedFile } from "./hub.ts"
import { type HubSettings, readSettings } from "./hub-source.ts"
import { type Fetch, hub, packageOptions, requesting, Unreachable, unreachable } from "./remote.ts"

/** Bytes a second of a connection that does not count as broken. */
const slowest = 20_000

/** An answer that is not what was asked for. */
class Refusal extends Error {
  readonly status: number
  /** what the Hub says of it; empty where it says nothing */
  readonly said: string
  constructor(status: number, said: string) {
    super(said)
    this.status = status
    this.said = said
  }
}

export const upload = (
  { repository, branch, message, create, isPrivate, files }: Upload,
  tell: Told
): Effect.Effect<Uploaded, HubError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const settings = yield* readSettings(repository)
    const { endpoint, authorization, authorizedBy, offline } = settings
    if (offline) return yield* hubError(repository, "nothing is sent: HF_HUB_OFFLINE forbids to ask the Hub; unset it")
    if (authorization === undefined) {
      const remedy = `make one that may write at ${endpoint}/settings/tokens, and set HF_TOKEN or give it to hf auth login`
      return yield* hubError(repository, `there is no token, neither in HF_TOKEN nor in ${authorizedBy}; ${remedy}`)
    }
    const asked = { repository, settings, what: "" }
    const options = (request: Fetch) => ({ ...packageOptions(settings, request), repo: repository })
    const made = yield* makeRepository({ ...asked, create, isPrivate }, options)
    if (branch !== "main") {
      yield* ask({ ...asked, what: `the branch ${branch}` }, async (request) => {
        const { createBranch } = await hub()
        // one that exists stays as it is
        await createBranch({ ...options(request), branch }).catch(unless(409, undefined))
      })
    }
    let committing = false
    const committed = yield* ask({ ...asked, what: "what is sent" }, async (request, signal) => {
      const { commitIter } = await hub()
      const steps = commitIter({
        ...options(request),
        branch,
        title: message,
        useXet: false,
        abortSignal: signal,
        operations: files.map(({ path, content }) => ({ operation: "addOrUpdate" as const, path, content }))
      })
      const saying = linesOf(files, tell)
      let step = await steps.next()
      for (; step.done !== true; step = await steps.next()) {
        committing ||= step.value.event === "phase" && step.value.phase === "committing"
        saying(step.value)
      }
      return step.value?.commit
    }).pipe(
      Effect.catchTag("Unreachable", ({ reason }) => {
        const lost = `the answer to the commit did not come (${reason}); look at ${endpoint}/${repository} whether it is there, and push again if it is not`
        const broke = `the upload broke off (${reason}); nothing has changed there, push again: files that have arrived are not sent again`
        return Effect.fail(hubError(repository, committing ? lost : broke))
      })
    )
    if (committed === undefined || !/^[0-9a-f]{40}$/.test(committed.oid)) {
      return yield* hubError(
        repository,
        `${endpoint} does not say which commit it made; look at ${endpoint}/${repository}`
      )
    }
    const uploaded: Uploaded = {
      url: `${endpoint}/${repository}/commit/${committed.oid}`,
      commit: committed.oid,
      created: made
    }
    return uploaded
  }).pipe(
    Effect.catchTag("Unreachable", ({ reason }) =>
      Effect.fail(hubError(repository, `nothing was sent, the Hub does not answer (${reason}); push again`))
    )
  )

/** Makes the repository where it is to be made; whether it was. */
const makeRepository = (
  { create, isPrivate, ...asked }: Asked & Pick<Upload, "create" | "isPrivate">,
  options: (request: Fetch) => ReturnType<typeof packageOptions> & { readonly repo: string }
) =>
  Effect.gen(function* () {
    const { repository, settings } = asked
    if (create !== "never") {
      const made = yield* ask({ ...asked, what: "a new repository" }, async (request): Promise<boolean | Refusal> => {
        const { createRepo } = await hub()
        // the package asks for a token, which it does not need: `requesting` sends ours in the place of any
        const own = {
          ...options(request),
          accessToken: "hf_",
          ...(isPrivate ? { visibility: "private" as const } : {})
        }
        return createRepo(own).then(
          () => true,
          (cause: unknown) => (cause instanceof Refusal && [403, 409].includes(cause.status) ? cause : rejected(cause))
        )
      })
      if (made === true) return true
      const there = `exists already at ${settings.endpoint}`
      if (create === "always" && made !== false && made.status === 409)
        return yield* hubError(repository, `${there}; give another name, or --create auto to add a commit to it`)
      // a token that may write this one repository may make no other
      const own = made === false || made.status === 409 ? undefined : made
      const known = yield* visibility(asked, options, own)
      return yield* checked(asked, isPrivate, known)
    }
    return yield* checked(asked, isPrivate, yield* visibility(asked, options, undefined))
  })

/** Whether a repository that exists is private. `refusal`: of making it, which is reported where it does not exist. */
const visibility = (
  asked: Asked,
  options: (request: Fetch) => ReturnType<typeof packageOptions>,
  refusal: Refusal | undefined
) =>
  ask({ ...asked, what: refusal === undefined ? "it" : "a new repository" }, async (request): Promise<unknown> => {
    const { modelInfo } = await hub()
    const info = modelInfo({ ...options(request), name: asked.repository })
    return refusal === undefined ? (await info).private : (await info.catch(() => rejected(refusal))).private
  })

const checked = ({ repository, settings }: Asked, isPrivate: boolean, known: unknown) =>
  isPrivate && known !== true
    ? Effect.fail(
        hubError(
          repository,
          `exists already at ${settings.endpoint} and is public; make it private there, or push without --private`
        )
      )
    : Effect.succeed(false)

const rejected = (cause: unknown): never => {
  throw cause
}

const unless =
  <A>(status: number, otherwise: A) =>
  (cause: unknown): A =>
    cause instanceof Refusal && cause.status === status ? otherwise : rejected(cause)

interface Asked {
  readonly repository: string
  readonly settings: HubSettings
  /** what a request is about, in messages */
  readonly what: string
}

/** Requests that belong together, ended where the effect is interrupted; their errors in words. */
const ask = <A>(
  asked: Asked,
  run: (request: Fetch, signal: AbortSignal) => Promise<A>
): Effect.Effect<A, HubError | Unreachable> => {
  const { repository, settings } = asked
  return Effect.tryPromise({
    try: (signal) => run(sending(repository, settings, signal), signal),
    catch: (cause) => {
      if (cause instanceof HubError || cause instanceof Unreachable) return cause
      if (cause instanceof Refusal) return refused(asked, cause)
      const reason = cut(withoutToken(messageOf(cause), settings))
      return hubError(repository, `${settings.endpoint} gave an answer that cannot be used: ${reason}`)
    }
  })
}

const refused = ({ repository, settings, what }: Asked, { status, said }: Refusal): HubError => {
  const { endpoint, authorizedBy } = settings
  const words = said === "" ? `status ${status}` : `status ${status}, ${JSON.stringify(said)}`
  const remedy = `make one that may write at ${endpoint}/settings/tokens`
  const reason = () => {
    if (status === 401) return `${endpoint} does not know the token in ${authorizedBy} (${words}); ${remedy}`
    if (status === 403) return `the token in ${authorizedBy} may not write ${what} at ${endpoint} (${words}); ${remedy}`
    if (status === 404)
      return `is not at ${endpoint}, or the token in ${authorizedBy} may not see it (${words}); look at the name, or let --create auto make it`
    if (status === 409 || status === 412)
      return `was changed by someone else at the same time at ${endpoint} (${words}); push again`
    if (status === 429 || status >= 500)
      return `${endpoint} cannot take ${what} now (${words}); nothing has changed there, push again later: files that have arrived are not sent again`
    return `${endpoint} does not take ${what} (${words})`
  }
  return hubError(repository, reason())
}

/** A server may repeat what it was sent. */
const withoutToken = (text: string, { authorization }: HubSettings): string => {
  const secret = authorization?.replace(/^\w+ /, "")
  return secret === undefined ? text : text.replaceAll(secret, "***")
}

const MOST_SAID = 65_536

const sending = (repository: string, settings: HubSettings, signal: AbortSignal): Fetch => {
  const request = requesting(repository, settings, signal)
  return async (input, init = {}) => {
    // the package loses a failure that comes before its events are read
    await new Promise((resolve) => setTimeout(resolve))
    const to = new URL(input instanceof Request ? input.url : input)
    if (settings.endpoint.startsWith("https:") && to.protocol === "http:") {
      throw hubError(repository, `${settings.endpoint} wants files sent to ${to.origin}, which is not encrypted`)
    }
    const seconds = limit("hub-seconds") + sizeOf(init.body) / slowest
    const late = AbortSignal.timeout(1_000 * seconds)
    const all = AbortSignal.any([signal, late, ...(init.signal == null ? [] : [init.signal])])
    const inTime = <A>(answer: Promise<A>): Promise<A> =>
      answer.catch((cause: unknown) => {
        if (!late.aborted || signal.aborted) return rejected(cause instanceof HubError ? cause : unreachableOf(cause))
        throw unreachable(`no answer within ${Math.ceil(seconds)} seconds`)
      })
    const response = await inTime(request(to, { ...init, signal: all }))
    const bytes = await inTime(readAnswer(response, response.ok ? limit("text-file-bytes") : MOST_SAID))
    const text = bytes === undefined ? undefined : new TextDecoder().decode(bytes)
    if (!response.ok) throw new Refusal(response.status, withoutToken(saidIn(text ?? ""), settings))
    if (text === undefined) {
      throw hubError(repository, `the answer of ${settings.endpoint} has more than ${overLimit("text-file-bytes")}`)
    }
    // a storage's answer is none, or XML, and no one reads it
    const parsed = /json/.test(response.headers.get("content-type") ?? "") ? parseBoundedJson(text) : undefined
    if (parsed !== undefined && "problem" in parsed) {
      throw hubError(repository, `the answer of ${settings.endpoint} ${parsed.problem}`)
    }
    return new Response(text === "" ? null : text, { status: response.status, headers: response.headers })
  }
}

const unreachableOf = (cause: unknown): Unreachable => (cause instanceof Unreachable ? cause : unreachable(cause))

const sizeOf = (body: RequestInit["body"]): number =>
  body instanceof Blob ? body.size : typeof body === "string" ? body.length : 0

/** What an answer of the Hub says of a refusal. */
const saidIn = (text: string): string => {
  const parsed = parseBoundedJson(text)
  const { error, message } = "value" in parsed && isRecord(parsed.value) ? parsed.value : {}
  const said = [error, message].find((words) => typeof words === "string")
  return said === undefined ? "" : cut(said as string)
}

/** Lines for what the package reports: each large file as it begins and when it has arrived, and the commit. */
const linesOf = (files: ReadonlyArray<UploadedFile>, tell: Told) => {
  const begun = new Set<string>()
  const sizes = new Map(files.map(({ path, content }) => [path, content.size]))
  return (event: CommitProgressEvent): void => {
    if (event.event === "phase") {
      if (event.phase === "committing") tell(`committing ${counted(files.length, "file")}`)
      return
    }
    if (event.state !== "uploading") return
    const size = `${(sizes.get(event.path) ?? 0).toLocaleString("en")} bytes`
    if (event.progress < 1 && !begun.has(event.path)) tell(`sending ${event.path}, ${size}`)
    else if (event.progress < 1) {
      const of = Math.ceil((sizes.get(event.path) ?? 0) / 1e6)
      tell({ what: `sending ${event.path}`, done: Math.floor(event.progress * of), of, unit: "MB" })
    }
    if (event.progress >= 1)
      tell(begun.has(event.path) ? `sent ${event.path}` : `${event.path}, ${size}, is there already`)
    begun.add(event.path)
  }
}
