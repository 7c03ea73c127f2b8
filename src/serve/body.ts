/** Reads the body of a request: first limited in bytes and time, then parsed as JSON, then decoded with a schema. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Scope from "effect/Scope"
import { cut, isRecord, limit, overLimit } from "../boundary/index.ts"
import { parseBoundedJson } from "../files/index.ts"
import { milliseconds } from "../progress/index.ts"
import type { Holdings } from "./clients.ts"
import { overloaded, type Refusal, refusal } from "./refusal.ts"
import type { Scheduler } from "./scheduler.ts"

const tooLarge = () =>
  refusal(413, `the body is larger than ${overLimit("serve-body-bytes")}`, { code: "body_too_large" })

const isJson = (type: string | null): boolean => /^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type ?? "")

/** A request with a body, and its client. */
export interface WithBody {
  readonly request: Request
  readonly client: string
}

/** Server resources that reading bodies requires. */
export interface Bodies {
  /** bytes of bodies held in memory */
  readonly held: Holdings
  /** scheduler of large bodies, which are read piece by piece */
  readonly reading: Scheduler
  /** scheduler of the device; a large body is parsed in a turn of it, since both need the same thread */
  readonly turns: Scheduler
}

/** Maximum bytes of a body that is parsed without a turn, which takes some tenths of a millisecond. */
const SMALL = 2 ** 16

/** Maximum bytes per millisecond of a client's large bodies while other clients wait: reading occupies the thread. */
const SHARED_READING = 32_000

/** Reads the bytes of a body, which count as held until the scope ends. */
const bodyBytes = (
  { request, client }: WithBody,
  { held, reading, turns }: Bodies
): Effect.Effect<Uint8Array, Refusal, Scope.Scope> =>
  Effect.gen(function* () {
    const most = limit("serve-body-bytes")
    if (Number(request.headers.get("content-length") ?? 0) > most) return yield* tooLarge()
    const holding = yield* Effect.acquireRelease(Effect.succeed({ bytes: 0 }), ({ bytes }) =>
      Effect.sync(() => {
        held.give(client, bytes)
      })
    )
    if (request.body === null) return new Uint8Array(0)
    const reader = (request.body as ReadableStream<Uint8Array>).getReader()
    const slow = refusal(408, `the body did not arrive within ${overLimit("serve-body-seconds")}`, {
      code: "slow_body"
    })
    let remaining = 1000 * limit("serve-body-seconds")
    /** Reads the next piece. Only the client's time counts toward the limit, not the wait for its turn. */
    const next = Effect.gen(function* () {
      const at = yield* milliseconds
      const piece = yield* Effect.tryPromise({
        try: () => reader.read(),
        catch: () => refusal(400, "the body is incomplete")
      }).pipe(Effect.timeoutOrElse({ duration: Math.max(0, remaining), orElse: () => Effect.fail(slow) }))
      remaining -= (yield* milliseconds) - at
      return piece
    })
    const read = Effect.gen(function* () {
      const pieces: Array<Uint8Array> = []
      while (true) {
        const { done, value } = yield* next
        if (done) return Buffer.concat(pieces)
        const { byteLength } = value
        if (holding.bytes + byteLength > most) return yield* tooLarge()
        if (!held.take(client, byteLength)) return yield* overloaded("serve-waiting-bytes", "waiting requests")
        holding.bytes += byteLength
        pieces.push(value)
        if (holding.bytes <= SMALL) continue
        const pause = turns.clients() > 1 ? Effect.sleep(byteLength / SHARED_READING) : Effect.void
        yield* reading.run({ client, kind: "read", units: () => byteLength }, pause)
      }
    })
    // what is left of it is not waited for
    return yield* Effect.onError(read, () => Effect.sync(() => void reader.cancel().catch(() => {})))
  })

/** "messages[0].role" */
const pathOf = (path: ReadonlyArray<PropertyKey>): string =>
  path.map((key, i) => (typeof key === "number" ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`)).join("")

type Issue = ReturnType<ReturnType<typeof SchemaIssue.makeFormatterStandardSchemaV1>>["issues"][number]

const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }): PropertyKey =>
  typeof segment === "object" ? segment.key : segment

/** Returns the first problem as a sentence that names the field. */
const wrong = (issues: ReadonlyArray<Issue>): Refusal => {
  const { message, path = [] } = issues[0]!
  const param = pathOf(path.map(keyOf))
  const reason = /excess property|^Unexpected key/i.test(message)
    ? "is not a supported field"
    : /^Missing key/.test(message)
      ? "is missing"
      : `${message.charAt(0).toLowerCase()}${message.slice(1)}`
  return param === ""
    ? refusal(400, `the body: ${cut(reason, 500)}`)
    : refusal(400, `${param}: ${cut(reason, 500)}`, { param })
}

/** Removes nulls, which OpenAI's clients send for absent fields. */
const withoutNulls = (value: unknown): unknown =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null)) : value

/** Decodes the body with a schema. Null fields count as absent; unknown fields are rejected by name. */
export const decodedBody = <A, I>(
  called: WithBody,
  schema: Schema.Codec<A, I>,
  bodies: Bodies
): Effect.Effect<A, Refusal, Scope.Scope> =>
  Effect.gen(function* () {
    if (!isJson(called.request.headers.get("content-type"))) {
      // a page elsewhere may send other types without being asked whether it may
      return yield* refusal(415, "expected content-type: application/json (curl --json sends it)")
    }
    const bytes = yield* bodyBytes(called, bodies)
    const inTurn = <B, E>(step: Effect.Effect<B, E>) =>
      bytes.length <= SMALL
        ? step
        : bodies.turns.run({ client: called.client, kind: "body", units: () => bytes.length }, step)
    // as a whole: pieces of text make more garbage than the thread has time for
    const text = yield* inTurn(
      Effect.try({
        try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
        catch: () => refusal(400, "the body is not UTF-8", { code: "invalid_json" })
      })
    )
    const parsed = yield* inTurn(Effect.sync(() => parseBoundedJson(text)))
    if ("problem" in parsed) return yield* refusal(400, `the body ${parsed.problem}`, { code: "invalid_json" })
    return yield* Schema.decodeUnknownEffect(schema, { onExcessProperty: "error" })(withoutNulls(parsed.value)).pipe(
      Effect.mapError(({ issue }) => wrong(SchemaIssue.makeFormatterStandardSchemaV1()(issue).issues))
    )
  })
