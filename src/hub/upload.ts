/**
 * Uploads files to a repository of the Hub in one commit, through `@huggingface/hub`:
 *
 *   POST /api/repos/create                      if the repository is to be created
 *   POST /api/models/owner/name/branch/b        if b is not "main"
 *   POST /api/models/owner/name/preupload/b     which of the files are large
 *   POST /owner/name.git/info/lfs/objects/batch where to send them, and which already exist
 *   PUT  the storage's address                  each large file
 *   POST /api/models/owner/name/commit/b        the small files, and the commit
 *
 * The repository does not change before the last request. As in `remote.ts`, the package receives no token, and a `fetch` that knows which
 * server may have it; responses are read with a bound, and never shown with the token in them.
 *
 * Large files use Git LFS, which the Hub accepts from every client, instead of its chunked storage (Xet): an adapter has a few
 * megabytes, and LFS needs one request for each file.
 */
import type { CommitProgressEvent } from "@huggingface/hub"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { counted, cut, isRecord, limit, messageOf, overLimit, wholeNumber } from "../boundary/index.ts"
import { parseBoundedJson, readAnswer } from "../files/index.ts"
import { HubError, hubError, type Upload, type Uploaded, type UploadedFile, type UploadListener } from "./hub.ts"
import { type HubSettings, readSettings } from "./hub-source.ts"
import { type Fetch, hub, packageOptions, requesting, Unreachable, unreachable } from "./remote.ts"

/** Rate in bytes per second below which a connection counts as broken. */
const slowest = 20_000

/** An unsuccessful response. */
class Refusal extends Error {
  readonly status: number
  /** the Hub's message; empty if there is no message */
  readonly said: string
  constructor(status: number, said: string) {
    super(said)
    this.status = status
    this.said = said
  }
}

export const upload = (
  { repository, branch, message, create, isPrivate, files }: Upload,
  tell: UploadListener
): Effect.Effect<Uploaded, HubError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const settings = yield* readSettings(repository)
    const { endpoint, authorization, authorizedBy, offline } = settings
    if (offline) return yield* hubError(repository, "nothing was sent, because HF_HUB_OFFLINE is set; unset it to push")
    if (authorization === undefined) {
      const remedy = `create one with write access at ${endpoint}/settings/tokens, then set HF_TOKEN or run hf auth login`
      return yield* hubError(repository, `found no token in HF_TOKEN or ${authorizedBy}; ${remedy}`)
    }
    const uploadRequest = { repository, settings, what: "" }
    const options = (request: Fetch) => ({ ...packageOptions(settings, request), repo: repository })
    const isCreated = yield* makeRepository({ ...uploadRequest, create, isPrivate }, options)
    if (branch !== "main") {
      yield* ask({ ...uploadRequest, what: `the branch ${branch}` }, async (request) => {
        const { createBranch } = await hub()
        // an existing branch stays unchanged
        await createBranch({ ...options(request), branch }).catch(unless(409, undefined))
      })
    }
    let committing = false
    const committed = yield* ask({ ...uploadRequest, what: "the files" }, async (request, signal) => {
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
        const lost = `the response to the commit was lost (${reason}); check whether the commit is at ${endpoint}/${repository}, and push again if not`
        const broke = `the upload broke off (${reason}); nothing has changed there; push again: files that have arrived are not sent again`
        return Effect.fail(hubError(repository, committing ? lost : broke))
      })
    )
    if (committed === undefined || !/^[0-9a-f]{40}$/.test(committed.oid)) {
      return yield* hubError(repository, `${endpoint} did not report its commit; check ${endpoint}/${repository}`)
    }
    const uploaded: Uploaded = {
      url: `${endpoint}/${repository}/commit/${committed.oid}`,
      commit: committed.oid,
      created: isCreated
    }
    return uploaded
  }).pipe(
    Effect.catchTag("Unreachable", ({ reason }) =>
      Effect.fail(hubError(repository, `nothing was sent, because the Hub does not respond (${reason}); push again`))
    )
  )

/** Creates the repository if requested. Returns whether it was created. */
const makeRepository = (
  { create, isPrivate, ...uploadRequest }: UploadRequest & Pick<Upload, "create" | "isPrivate">,
  options: (request: Fetch) => ReturnType<typeof packageOptions> & { readonly repo: string }
) =>
  Effect.gen(function* () {
    const { repository, settings } = uploadRequest
    if (create !== "never") {
      const creation = yield* ask(
        { ...uploadRequest, what: "a new repository" },
        async (request): Promise<boolean | Refusal> => {
          const { createRepo } = await hub()
          // the package requires a token, which it does not need: `requesting` replaces it with the real one
          const body = {
            ...options(request),
            accessToken: "hf_",
            ...(isPrivate ? { visibility: "private" as const } : {})
          }
          return createRepo(body).then(
            () => true,
            (cause: unknown) =>
              cause instanceof Refusal && [403, 409].includes(cause.status) ? cause : rejected(cause)
          )
        }
      )
      if (creation === true) return true
      const existsText = `exists already at ${settings.endpoint}`
      if (create === "always" && creation !== false && creation.status === 409)
        return yield* hubError(
          repository,
          `${existsText}; choose another name, or pass --create auto to add a commit to it`
        )
      // a token that may write this repository may not be allowed to create one
      const refused = creation === false || creation.status === 409 ? undefined : creation
      const known = yield* visibility(uploadRequest, options, refused)
      return yield* checked(uploadRequest, isPrivate, known)
    }
    return yield* checked(uploadRequest, isPrivate, yield* visibility(uploadRequest, options, undefined))
  })

/** Returns whether an existing repository is private. `refusal`: the error of creating it, reported if it does not exist. */
const visibility = (
  uploadRequest: UploadRequest,
  options: (request: Fetch) => ReturnType<typeof packageOptions>,
  refusal: Refusal | undefined
) =>
  ask(
    { ...uploadRequest, what: refusal === undefined ? "it" : "a new repository" },
    async (request): Promise<unknown> => {
      const { modelInfo } = await hub()
      const info = modelInfo({ ...options(request), name: uploadRequest.repository })
      return refusal === undefined ? (await info).private : (await info.catch(() => rejected(refusal))).private
    }
  )

const checked = ({ repository, settings }: UploadRequest, isPrivate: boolean, known: unknown) =>
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

interface UploadRequest {
  readonly repository: string
  readonly settings: HubSettings
  /** subject of the request, for messages */
  readonly what: string
}

/** Runs related requests, aborted when the effect is interrupted. Fails with readable errors. */
const ask = <A>(
  request: UploadRequest,
  run: (request: Fetch, signal: AbortSignal) => Promise<A>
): Effect.Effect<A, HubError | Unreachable> => {
  const { repository, settings } = request
  return Effect.tryPromise({
    try: (signal) => run(sending(repository, settings, signal), signal),
    catch: (cause) => {
      if (cause instanceof HubError || cause instanceof Unreachable) return cause
      if (cause instanceof Refusal) return refused(request, cause)
      const reason = cut(withoutToken(messageOf(cause), settings))
      return hubError(repository, `${settings.endpoint} sent an invalid response: ${reason}`)
    }
  })
}

const refused = ({ repository, settings, what }: UploadRequest, { status, said }: Refusal): HubError => {
  const { endpoint, authorizedBy } = settings
  const words = said === "" ? `status ${status}` : `status ${status}, ${JSON.stringify(said)}`
  const remedy = `create one with write access at ${endpoint}/settings/tokens`
  const reason = () => {
    if (status === 401) return `${endpoint} rejected the token in ${authorizedBy} (${words}); ${remedy}`
    if (status === 403)
      return `the token in ${authorizedBy} has no write access to ${what} at ${endpoint} (${words}); ${remedy}`
    if (status === 404)
      return `was not found at ${endpoint}, or the token in ${authorizedBy} has no access to it (${words}); check the name, or create it with --create auto`
    if (status === 409 || status === 412)
      return `was changed by someone else at the same time at ${endpoint} (${words}); push again`
    if (status === 429 || status >= 500)
      return `${endpoint} cannot accept ${what} now (${words}); nothing has changed there; push again later: files that have arrived are not sent again`
    return `${endpoint} rejected ${what} (${words})`
  }
  return hubError(repository, reason())
}

/** Removes the token from a text: a server may repeat what it received. */
const withoutToken = (text: string, { authorization }: HubSettings): string => {
  const secret = authorization?.replace(/^\w+ /, "")
  return secret === undefined ? text : text.replaceAll(secret, "***")
}

const MOST_ERROR_BYTES = 65_536

const sending = (repository: string, settings: HubSettings, signal: AbortSignal): Fetch => {
  const request = requesting(repository, settings, signal)
  return async (input, init = {}) => {
    // the package loses an error that occurs before its events are read
    await new Promise((resolve) => setTimeout(resolve))
    const to = new URL(input instanceof Request ? input.url : input)
    if (settings.endpoint.startsWith("https:") && to.protocol === "http:") {
      throw hubError(repository, `${settings.endpoint} redirects uploads to ${to.origin}, which is not encrypted`)
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
    const bytes = await inTime(readAnswer(response, response.ok ? limit("text-file-bytes") : MOST_ERROR_BYTES))
    const text = bytes === undefined ? undefined : new TextDecoder().decode(bytes)
    if (!response.ok) throw new Refusal(response.status, withoutToken(messageIn(text ?? ""), settings))
    if (text === undefined) {
      throw hubError(repository, `the answer of ${settings.endpoint} has more than ${overLimit("text-file-bytes")}`)
    }
    // a storage's response is empty or XML, and is not used
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

/** Extracts the Hub's message from an error response. */
const messageIn = (text: string): string => {
  const parsed = parseBoundedJson(text)
  const { error, message } = "value" in parsed && isRecord(parsed.value) ? parsed.value : {}
  const hubMessage = [error, message].find((words) => typeof words === "string")
  return hubMessage === undefined ? "" : cut(hubMessage as string)
}

/** Formats the events of the package as lines: the start and end of each large file, and the commit. */
const linesOf = (files: ReadonlyArray<UploadedFile>, tell: UploadListener) => {
  const started = new Set<string>()
  const sizes = new Map(files.map(({ path, content }) => [path, content.size]))
  return (event: CommitProgressEvent): void => {
    if (event.event === "phase") {
      if (event.phase === "committing") tell(`committing ${counted(files.length, "file")}`)
      return
    }
    if (event.state !== "uploading") return
    const size = `${wholeNumber(sizes.get(event.path) ?? 0)} bytes`
    if (event.progress < 1 && !started.has(event.path)) tell(`sending ${event.path}, ${size}`)
    else if (event.progress < 1) {
      const of = Math.ceil((sizes.get(event.path) ?? 0) / 1e6)
      tell({ what: `sending ${event.path}`, done: Math.floor(event.progress * of), of, unit: "MB" })
    }
    if (event.progress >= 1)
      tell(started.has(event.path) ? `sent ${event.path}` : `${event.path}, ${size}, is there already`)
    started.add(event.path)
  }
}
