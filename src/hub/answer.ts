/**
 * Checks a response to a file download by its status and headers, before a byte is written: whether it is the requested file and the requested
 * range.
 */
import type * as Effect from "effect/Effect"
import { cut, wholeNumber } from "../boundary/index.ts"
import { type HubError, hubError } from "./hub.ts"
import type { HubSettings, HubSource } from "./hub-source.ts"
import { call, type RemoteFile, succeeded, type Unreachable } from "./remote.ts"

interface Asked {
  readonly hubSource: HubSource
  readonly settings: HubSettings
  readonly commit: string
}

interface Bounds {
  /** first byte of the body within the file: the requested offset, or 0 if the server sends the whole file */
  readonly begin: number
  /** end of the bytes to read from the body (exclusive) */
  readonly end: number
}

export interface FileAnswer extends Bounds {
  readonly body: ReadableStreamDefaultReader<Uint8Array>
}

/** State of a file on the server, from the responses so far. */
export interface KnownState {
  etag?: string
}

/**
 * Requests a file from a byte offset. Requests the whole file if the server does not support the range, or responds with another range or with
 * another version of the file.
 */
export const answerFrom = (
  { hubSource: { source, type, repository }, settings, commit }: Asked,
  file: RemoteFile,
  from: number,
  known: KnownState,
  signal: AbortSignal
): Effect.Effect<FileAnswer, HubError | Unreachable> =>
  call(source, settings, async (request) => {
    const fail = (problem: string) => {
      const remedy = "check the network connection and HF_ENDPOINT, and try again; the bytes so far are kept"
      return hubError(source, `${file.path}: ${settings.endpoint} ${problem}; ${remedy}`)
    }
    // a plain range request: it can be resumed, and the hash in the listing is that of the bytes received
    const prefix = type === "dataset" ? "datasets/" : ""
    const filePath = `${prefix}${repository}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`
    for (const first of from === 0 ? [0] : [from, 0]) {
      const range: Record<string, string> = first === 0 ? {} : { range: `bytes=${first}-${file.size - 1}` }
      // ranges count the bytes sent: a compressed body would count other bytes than the file's
      const headers = { "accept-encoding": "identity", ...range }
      const response = await request(`${settings.endpoint}/${filePath}`, { headers, signal })
      if (response.status === 404) {
        throw hubError(source, `${file.path} is in the listing, but cannot be downloaded; try again later`)
      }
      const bounds =
        first > 0 && response.status === 416
          ? undefined
          : boundsOf(succeeded(source, settings, response), first, file.size, known)
      if (typeof bounds === "object" && response.body !== null) return { ...bounds, body: response.body.getReader() }
      response.body?.cancel().catch(() => undefined)
      if (typeof bounds === "string") throw fail(bounds)
    }
    throw fail("sent a different part of it than requested")
  })

/** Returns the range of the response's body; undefined for another range or version of the file, a message if it is not the file. */
const boundsOf = ({ status, headers }: Response, first: number, size: number, known: KnownState) => {
  const type = headers.get("content-type") ?? ""
  if (/^\s*(text\/html|application\/xhtml)/i.test(type)) {
    return `responded with a web page (${cut(type, 60)}) instead of the file, as networks with a sign-in page do`
  }
  if (status !== 200 && status !== 206) return `responded with status ${status}`
  const isEncoded = !/^(identity)?$/i.test(headers.get("content-encoding") ?? "")
  // a weak ETag does not guarantee identical bytes
  const etag = /^"/.test(headers.get("etag") ?? "") ? (headers.get("etag") ?? undefined) : undefined
  const isOther = etag !== undefined && known.etag !== undefined && etag !== known.etag
  const bounds = status === 200 ? { begin: 0, end: size } : partIn(headers.get("content-range") ?? "", first, size)
  if (bounds === undefined || (status === 206 && (isEncoded || isOther))) return undefined
  const length = headers.get("content-length")
  const expected = bounds.end - bounds.begin
  if (!isEncoded && length !== null && Number(length) !== expected) {
    return `responded with ${wholeNumber(Number(length))} bytes, expected ${wholeNumber(expected)}`
  }
  if (etag !== undefined) known.etag = etag
  // one byte beyond the whole file shows that the response is not the file
  return status === 200 ? { begin: 0, end: size + 1 } : bounds
}

/** Parses a header such as "bytes 5-9/10": a part that starts at `first`, of a file of this size. */
const partIn = (contentRange: string, first: number, size: number): Bounds | undefined => {
  const [, begin, last = size, total] = (/^bytes (\d+)-(\d+)\/(\d+)$/i.exec(contentRange.trim()) ?? []).map(Number)
  return begin === first && total === size && last >= begin && last < size ? { begin, end: last + 1 } : undefined
}
