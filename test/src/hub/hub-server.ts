/** A server that plays the part of the Hub's API that is used: revisions, listings, files with ranges. It can be told to misbehave. */
import { createHash } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export const COMMIT = "a".repeat(40)

export interface Repository {
  readonly files: Readonly<Record<string, Uint8Array>>
  /** files that are stored as large ones: listed with their SHA-256 */
  readonly large: ReadonlyArray<string>
  /** branch or tag → commit */
  readonly refs: Readonly<Record<string, string>>
}

export interface HubServer {
  readonly endpoint: string
  /** "path" or "path bytes=…" of every request for a file */
  readonly requests: Array<string>
  /** answers to requests for a file's bytes that break off after so many bytes, in turn */
  readonly cuts: Array<number>
  /** file → its bytes after so many are sent when the promise says so */
  readonly holds: Map<string, { readonly after: number; readonly until: Promise<void> }>
  /** file → what is sent instead of its content, of equal length */
  readonly replaced: Map<string, Uint8Array>
  /** the answer to requests without this token is 401 */
  token: string | null
  /** answers in the Hub's place where it returns true */
  instead: ((request: IncomingMessage, response: ServerResponse) => boolean) | null
  readonly close: () => Promise<void>
}

export const startHub = async (repositories: Readonly<Record<string, Repository>>): Promise<HubServer> => {
  const state: State = { requests: [], cuts: [], holds: new Map(), replaced: new Map() }
  const hub: Pick<HubServer, "token" | "instead"> = { token: null, instead: null }
  const server = createServer((request, response) => {
    if (hub.instead?.(request, response) === true) return
    if (hub.token !== null && request.headers.authorization !== `Bearer ${hub.token}`) {
      response.writeHead(401).end("no")
    } else answer(repositories, state, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const close = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections()
      server.close(() => resolve())
    })
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(hub, state, { endpoint, close })
}

type State = Pick<HubServer, "requests" | "cuts" | "holds" | "replaced">

const answer = (
  repositories: Readonly<Record<string, Repository>>,
  state: State,
  request: IncomingMessage,
  response: ServerResponse
): void => {
  const path = decodeURIComponent(new URL(request.url!, "http://hub").pathname)
  const json = (value: unknown) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value))
  }
  const missing = () => {
    response.writeHead(404, { "X-Error-Code": "RepoNotFound" }).end("not found")
  }
  // a data set is called datasets/owner/name
  const about = /^\/api\/(?:models\/)?((?:datasets\/)?[^/]+\/[^/]+)\/(revision|tree)\/(.+)$/.exec(path)
  const file = /^\/((?:datasets\/)?[^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(path)
  const repository = repositories[(about ?? file)?.[1] ?? ""]
  const commit = about?.[3] === COMMIT ? COMMIT : repository?.refs[about?.[3] ?? ""]
  const content = state.replaced.get(file?.[2] ?? "") ?? repository?.files[file?.[2] ?? ""]
  if (repository === undefined || (about === null ? content : commit) === undefined) missing()
  else if (about?.[2] === "revision") json({ _id: "1", id: about[1], sha: commit })
  else if (about?.[2] === "tree") json(listing(repository))
  else send(state, file![2]!, content!, request.headers.range, response)
}

const listing = ({ files, large }: Repository) =>
  Object.entries(files).map(([path, content]) => ({
    type: "file",
    path,
    size: content.length,
    oid: createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex"),
    ...(large.includes(path)
      ? { lfs: { oid: createHash("sha256").update(content).digest("hex"), size: content.length, pointerSize: 130 } }
      : {})
  }))

const send = (
  { requests, cuts, holds }: State,
  path: string,
  content: Uint8Array,
  range: string | undefined,
  response: ServerResponse
): void => {
  const [begin, last] = (range ?? "bytes=0-").replace("bytes=", "").split("-")
  const from = Number(begin)
  const to = last === "" || last === undefined ? content.length - 1 : Math.min(Number(last), content.length - 1)
  const part = content.subarray(from, to + 1)
  response.writeHead(range === undefined ? 200 : 206, {
    etag: '"x"',
    "accept-ranges": "bytes",
    // Bun repeats a request whose connection was kept from an earlier one and breaks
    connection: "close",
    "content-length": part.length,
    ...(range === undefined ? {} : { "content-range": `bytes ${from}-${to}/${content.length}` })
  })
  // the package first asks for one byte to learn the size
  const probe = range === "bytes=0-0"
  if (!probe) requests.push(range === undefined ? path : `${path} ${range}`)
  const cut = probe ? undefined : cuts.shift()
  // an answer that has begun is not asked for again by the runtime itself
  response.flushHeaders()
  const hold = probe ? undefined : holds.get(path)
  if (hold !== undefined) {
    const first = Math.max(0, hold.after - from)
    response.write(part.subarray(0, first))
    hold.until.then(() => response.end(part.subarray(first)))
  } else if (cut === undefined) response.end(part)
  // what was sent is read first, also on a busy machine: a broken connection takes what nobody has read yet with it
  else response.write(part.subarray(0, cut), () => setTimeout(() => response.destroy(), 100))
}
