/**
 * A server that takes what is sent to the Hub: repositories, branches, preupload, batches of Git LFS, commits. Its storage is another server,
 * as the Hub's is. It can be told to misbehave.
 */
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export const COMMITTED = "c".repeat(40)

export interface Seen {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly body: Uint8Array
}

type Instead = (request: IncomingMessage, response: ServerResponse) => boolean

export interface UploadServer {
  readonly endpoint: string
  /** repository → whether it is private */
  readonly repositories: Map<string, boolean>
  /** "owner/name@branch" → path → content, after a commit */
  readonly committed: Map<string, Map<string, Uint8Array>>
  /** first lines of commits */
  readonly messages: Array<string>
  /** requests to the Hub, and to its storage */
  readonly seen: Array<Seen>
  readonly stored: Array<Seen>
  /** what the storage has, by SHA-256 */
  readonly objects: Map<string, Uint8Array>
  /** the answer to requests without this token is 401 */
  token: string
  /** answers in the Hub's place, or its storage's, where it returns true */
  instead: Instead | null
  readonly close: () => Promise<void>
}

const bodyOf = async (request: IncomingMessage): Promise<Uint8Array> => {
  const parts: Array<Uint8Array> = []
  for await (const part of request) parts.push(part as Uint8Array)
  return new Uint8Array(Buffer.concat(parts))
}

const listening = async (listener: RequestListener): Promise<readonly [Server, string]> => {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return [server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`]
}

const json = (response: ServerResponse, value: unknown, status = 200) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value))

/** Files that end so are large ones. */
const isLarge = (path: string): boolean => /\.(safetensors|bin|onnx|gguf)$/.test(path)

/** Bytes of a part, of a file that is larger. */
export const PART = 5_000_000

/** Where a file is sent: as a whole, or part by part. */
const addressOf = (place: string, { oid, size }: { readonly oid: string; readonly size: number }) => {
  if (size <= PART) return { href: `${place}/${oid}` }
  const numbers = Array.from({ length: Math.ceil(size / PART) }, (_, i) => i + 1)
  const parts = numbers.map((number) => [`${number}`.padStart(5, "0"), `${place}/parts/${oid}/${number}`])
  return { href: `${place}/parts/${oid}/end`, header: { chunk_size: `${PART}`, ...Object.fromEntries(parts) } }
}

export const startUploadHub = async (): Promise<UploadServer> => {
  const hub = { token: "hf_secret", instead: null as Instead | null }
  const state = {
    repositories: new Map<string, boolean>(),
    committed: new Map<string, Map<string, Uint8Array>>(),
    messages: [] as Array<string>,
    seen: [] as Array<Seen>,
    stored: [] as Array<Seen>,
    objects: new Map<string, Uint8Array>()
  }
  const note = async (to: Array<Seen>, request: IncomingMessage): Promise<Seen> => {
    const { authorization } = request.headers
    const seen = {
      method: request.method!,
      path: decodeURIComponent(request.url!),
      authorization,
      body: await bodyOf(request)
    }
    to.push(seen)
    return seen
  }
  const parts = new Map<string, Map<string, Uint8Array>>()
  const [storage, place] = await listening(async (request, response) => {
    if (hub.instead?.(request, response) === true) return
    const { path, body } = await note(state.stored, request)
    const [, whole, part] = /^\/parts\/([0-9a-f]{64})\/(\w+)$/.exec(path) ?? []
    if (whole !== undefined) {
      const own = parts.get(whole) ?? new Map<string, Uint8Array>()
      parts.set(whole, own.set(part!, body))
      if (part === "end") {
        // a list of the parts and their tags
        const { oid, parts: named } = JSON.parse(new TextDecoder().decode(body))
        const all = named.map(({ partNumber, etag }: { readonly partNumber: number; readonly etag: string }) =>
          own.get(etag === `"${partNumber}"` ? `${partNumber}` : "")
        )
        state.objects.set(oid, new Uint8Array(Buffer.concat(all)))
      }
      return void response.writeHead(200, { etag: `"${part}"`, "content-type": "application/xml" }).end("<ok/>")
    }
    const sha256 = createHash("sha256").update(body).digest("hex")
    if (path !== `/${sha256}`) return void response.writeHead(400).end()
    state.objects.set(sha256, body)
    response.writeHead(200, { etag: '"x"' }).end()
  })
  const [server, endpoint] = await listening(async (request, response) => {
    if (hub.instead?.(request, response) === true) return
    const { path, body, authorization } = await note(state.seen, request)
    if (authorization !== `Bearer ${hub.token}`) return void json(response, { error: "Invalid credentials" }, 401)
    const asked = () => JSON.parse(new TextDecoder().decode(body))
    if (path === "/api/repos/create") {
      const { name, organization, visibility } = asked()
      const repository = `${organization}/${name}`
      if (state.repositories.has(repository))
        return void json(response, { error: "You already created this model" }, 409)
      state.repositories.set(repository, visibility === "private")
      return void json(response, { url: `${endpoint}/${repository}`, id: repository })
    }
    const [, name, about, branch] =
      /^\/(?:api\/models\/)?([\w-]+\/[\w-]+?)(?:\.git)?(?:\/(branch|preupload|commit|info|revision)\/([^?]+))?(?:\?.*)?$/.exec(
        path
      ) ?? []
    const isPrivate = state.repositories.get(name ?? "")
    if (isPrivate === undefined) return void json(response, { error: "Repository not found" }, 404)
    if (about === undefined || about === "revision")
      return void json(response, { _id: "1", id: name, private: isPrivate })
    const at = `${name}@${branch}`
    if (about === "branch") {
      if (state.committed.has(at)) return void json(response, { error: "Reference already exists" }, 409)
      state.committed.set(at, new Map())
      return void json(response, {})
    }
    if (about === "preupload") {
      const files = (asked().files as ReadonlyArray<{ readonly path: string }>).map(({ path }) => path)
      return void json(response, {
        files: files.map((path) => ({ path, uploadMode: isLarge(path) ? "lfs" : "regular" }))
      })
    }
    if (about === "info") {
      const objects = (asked().objects as ReadonlyArray<{ readonly oid: string; readonly size: number }>).map(
        (object) =>
          state.objects.has(object.oid) ? object : { ...object, actions: { upload: addressOf(place, object) } }
      )
      return void json(response, { transfer: "basic", objects })
    }
    const lines = new TextDecoder()
      .decode(body)
      .split("\n")
      .map((line) => JSON.parse(line))
    const files = state.committed.get(at) ?? new Map<string, Uint8Array>()
    for (const { key, value } of lines) {
      if (key === "header") state.messages.push(value.summary)
      if (key === "file") files.set(value.path, new Uint8Array(Buffer.from(value.content, "base64")))
      if (key === "lfsFile") files.set(value.path, state.objects.get(value.oid)!)
    }
    state.committed.set(at, files)
    json(response, { commitOid: COMMITTED, commitUrl: `${endpoint}/${name}/commit/${COMMITTED}` })
  })
  const end = (one: Server) =>
    new Promise<void>((resolve) => {
      one.closeAllConnections()
      one.close(() => resolve())
    })
  return Object.assign(hub, state, {
    endpoint,
    close: async () => void (await Promise.all([end(server), end(storage)]))
  })
}
