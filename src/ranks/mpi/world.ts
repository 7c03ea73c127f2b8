/**
 * Communication between ranks through MPI. All calls are non-blocking: a waiting rank polls for completion, and in
 * between the event loop runs: signals, files, progress display.
 *
 * A rank that fails reports it to rank 0 in a message that rank 0 looks for whenever it waits, since what it waits for will never arrive.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { cut } from "../../boundary/index.ts"
import type { Foreign } from "../../ffi/index.ts"
import { RankError, type RanksShape } from "../ranks.ts"
import type { MpiLibrary } from "./library.ts"

/** Failure report of a rank. */
export const Failure = Schema.Struct({
  host: Schema.String,
  /** one or more sentences; null: the rank was interrupted */
  reason: Schema.NullOr(Schema.String)
})
export type Failure = typeof Failure.Type

export interface World extends RanksShape {
  /** machine of this rank, as MPI reports it */
  readonly host: string
  /** Reports a failure of this rank to rank 0. */
  readonly tell: (failure: Failure) => Effect.Effect<void>
  /** Keeps sending messages until it is interrupted. */
  readonly attend: Effect.Effect<never>
  /** Disconnects from the other ranks. */
  readonly finalize: Effect.Effect<void>
  /** Ends the processes of all ranks, this one included. */
  readonly abort: (code: number) => void
}

/** The tag of a failure's message; no other message between two ranks has one. */
const FAILURE_TAG = 7711
const LONGEST_REASON = 20_000 // characters

/** Bytes of one message: counts and places are ints. */
const LARGEST = 2 ** 30

/** Where a rank's bytes begin in what all have sent: numbers of any type can be read there. */
const ALIGNMENT = 16

// How a rank waits. Most waits are short, where ranks are as fast as each other: those are spun. A rank that waits longer sleeps between
// two looks, so that it takes no core from those that it waits for; the event loop has a turn after each look.
const SPIN = 0.1 // milliseconds
const TURNS = 1
const NAP = 0.1
const LONG = 50
const LONG_NAP = 1

const nap = (milliseconds: number, word: Int32Array): void => void Atomics.wait(word, 0, 0, milliseconds)

/** Milliseconds that rank 0 goes on waiting after it has heard of a failure: it may be about to have the same one, and to say it better. */
const FAILURE_WAIT = 1000

/** A request's handle, a flag and a status, and views of them; all of them outside of any heap that moves. */
const scratch = () => {
  const buffer = new ArrayBuffer(256)
  return {
    request: new Uint8Array(buffer, 0, 8),
    flag: new Uint8Array(buffer, 16, 4),
    status: new Uint8Array(buffer, 32, 64),
    ints: new Int32Array(buffer)
  }
}
const FLAG = 4 // in ints
const STATUS = 8

const emptied = (bytes: Uint8Array): Uint8Array => (bytes.length === 0 ? new Uint8Array(new ArrayBuffer(1)) : bytes)

/** Initializes MPI and returns its communication functions. Only this module calls the library. */
export const openWorld = (library: MpiLibrary): World => {
  const { call, handles, pointerTo, anySource, sourceAt } = library
  const { world, byte } = handles
  const ask = (name: "MPI_Comm_rank" | "MPI_Comm_size"): number => {
    const { flag, ints } = scratch()
    call[name](world, pointerTo(flag))
    return ints[FLAG]!
  }
  call.MPI_Init(null, null)
  call.MPI_Comm_set_errhandler(world, handles.errorsReturn)
  const rank = ask("MPI_Comm_rank")
  const size = ask("MPI_Comm_size")
  const host = textFrom((text, length) => call.MPI_Get_processor_name(text, length), pointerTo)
  const asleep = new Int32Array(new SharedArrayBuffer(4))

  /** what is on its way */
  const held = new Set<ReadonlyArray<Uint8Array | Int32Array>>()
  /** a failure that came while the last wait was over all the same */
  let late: RankError | undefined

  const errorText = (code: number): string =>
    textFrom((text, length) => call.MPI_Error_string(code, text, length), pointerTo)
  const failed = (what: string, code: number) =>
    new RankError({
      rank: null,
      size,
      reason: `${what} failed: ${errorText(code)}; another process of this run may have ended`
    })

  /** What another rank has reported of its failure, if one has. */
  const probe = (): RankError | undefined => {
    const { flag, status, ints } = scratch()
    const hasMessage = call.MPI_Iprobe(anySource, FAILURE_TAG, world, pointerTo(flag), pointerTo(status))
    if (hasMessage !== 0 || ints[FLAG] === 0) return undefined
    const from = ints[STATUS + sourceAt / 4]!
    call.MPI_Get_count(pointerTo(status), byte, pointerTo(flag))
    const bytes = new Uint8Array(new ArrayBuffer(ints[FLAG]!))
    call.MPI_Recv(pointerTo(bytes), bytes.length, byte, from, FAILURE_TAG, world, pointerTo(status))
    const failure = Schema.decodeUnknownSync(Failure)(JSON.parse(new TextDecoder().decode(bytes)))
    return new RankError({ rank: from, size, host: failure.host, reason: failure.reason ?? "it was interrupted" })
  }

  /**
   * Begins something and waits for its end. `buffers` are what it reads and writes: they are held until then, and where no one waits any
   * longer, for ever.
   */
  const done = (
    what: string,
    begin: (request: unknown) => number,
    buffers: ReadonlyArray<Uint8Array | Int32Array>
  ): Effect.Effect<void, RankError> =>
    Effect.suspend(() => {
      const buffer = scratch()
      const [request, flag, status] = [pointerTo(buffer.request), pointerTo(buffer.flag), pointerTo(buffer.status)]
      const code = begin(request)
      if (code !== 0) return Effect.fail(failed(what, code))
      held.add(buffers)
      const began = performance.now()
      let reported: { readonly error: RankError; readonly at: number } | undefined
      /** undefined: not yet */
      const look = (): Effect.Effect<void, RankError> | undefined => {
        const code = call.MPI_Test(request, flag, status)
        if (code !== 0) return Effect.fail(reported?.error ?? failed(what, code))
        if (buffer.ints[FLAG] !== 0) {
          held.delete(buffers)
          late = reported?.error
          return Effect.void
        }
        if (rank !== 0) return undefined
        const error = reported === undefined ? (late ?? probe()) : undefined
        if (error !== undefined) reported = { error, at: performance.now() }
        return reported !== undefined && performance.now() - reported.at > FAILURE_WAIT
          ? Effect.fail(reported.error)
          : undefined
      }
      do {
        const failed = look()
        if (failed !== undefined) return failed
      } while (performance.now() - began < SPIN)
      return Effect.callback<void, RankError>((resume) => {
        let next: NodeJS.Immediate | undefined
        const turn = () => {
          const failed = look()
          if (failed !== undefined) return resume(failed)
          const waited = performance.now() - began
          if (waited > TURNS) nap(waited > LONG ? LONG_NAP : NAP, asleep)
          next = setImmediate(turn)
        }
        next = setImmediate(turn)
        return Effect.sync(() => clearImmediate(next))
      })
    })
  /** Everyone's bytes of known lengths, into `room`: everyone's place there is given. */
  const allGather = (bytes: Uint8Array, lengths: ReadonlyArray<number>) => {
    if (bytes.length !== lengths[rank])
      return Effect.die(new Error(`an all-gather of ${lengths} bytes was given ${bytes.length} by rank ${rank}`))
    const { counts, places, total } = placed(lengths)
    if (total > LARGEST) return manyBroadcasts(bytes, lengths)
    const room = new Uint8Array(new ArrayBuffer(Math.max(total, 1)))
    const sent = emptied(bytes)
    return Effect.map(
      done(
        "an all-gather",
        (request) =>
          call.MPI_Iallgatherv(
            pointerTo(sent),
            bytes.length,
            byte,
            pointerTo(room),
            pointerTo(bytesOf(counts)),
            pointerTo(bytesOf(places)),
            byte,
            world,
            request
          ),
        [sent, room, counts, places]
      ),
      () => lengths.map((length, i) => room.subarray(places[i]!, places[i]! + length))
    )
  }

  /** `bytes` of one rank, on all, in as many messages as it takes. */
  const broadcastInto = (bytes: Uint8Array, root: number) =>
    Effect.forEach(
      Array.from({ length: Math.ceil(bytes.length / LARGEST) }, (_, i) =>
        bytes.subarray(i * LARGEST, Math.min((i + 1) * LARGEST, bytes.length))
      ),
      (piece) =>
        done("a broadcast", (request) => call.MPI_Ibcast(pointerTo(piece), piece.length, byte, root, world, request), [
          piece
        ]),
      { discard: true }
    )

  /** The same as an all-gather, for what is larger than its counts: each rank's bytes are sent to all, one rank after the other. */
  const manyBroadcasts = (rankBytes: Uint8Array, lengths: ReadonlyArray<number>) =>
    Effect.forEach(lengths, (length, root) => {
      const bytes = root === rank ? rankBytes : new Uint8Array(new ArrayBuffer(length))
      return Effect.as(broadcastInto(bytes, root), bytes)
    })

  /** A number of each rank. */
  const numbers = (value: number) =>
    Effect.map(
      allGather(
        bytesOf(Float64Array.of(value)),
        Array.from({ length: size }, () => 8)
      ),
      (all) => all.map((bytes) => new Float64Array(bytes.buffer, bytes.byteOffset, 1)[0]!)
    )

  const gather = (bytes: Uint8Array) =>
    Effect.gen(function* () {
      const lengths = yield* numbers(bytes.length)
      const { counts, places, total } = placed(lengths)
      if (total > LARGEST) {
        const all = yield* manyBroadcasts(bytes, lengths)
        return rank === 0 ? all : []
      }
      const room = new Uint8Array(new ArrayBuffer(rank === 0 ? Math.max(total, 1) : 1))
      const sent = emptied(bytes)
      yield* done(
        "a gather",
        (request) =>
          call.MPI_Igatherv(
            pointerTo(sent),
            bytes.length,
            byte,
            pointerTo(room),
            pointerTo(bytesOf(counts)),
            pointerTo(bytesOf(places)),
            byte,
            0,
            world,
            request
          ),
        [sent, room, counts, places]
      )
      return rank === 0 ? lengths.map((length, i) => room.subarray(places[i]!, places[i]! + length)) : []
    })

  const tell = ({ host, reason }: Failure): Effect.Effect<void> => {
    const short = reason === null ? null : cut(reason, LONGEST_REASON)
    const bytes = new TextEncoder().encode(JSON.stringify({ host, reason: short } satisfies Failure))
    return done(
      "a message",
      (request) => call.MPI_Isend(pointerTo(bytes), bytes.length, byte, 0, FAILURE_TAG, world, request),
      [bytes]
    ).pipe(Effect.ignore)
  }

  return {
    rank,
    size,
    host,
    allGather: (bytes, lengths) =>
      lengths === undefined
        ? Effect.flatMap(numbers(bytes.length), (all) => allGather(bytes, all))
        : allGather(bytes, lengths),
    gather,
    broadcast: (rootBytes) =>
      Effect.gen(function* () {
        const length = (yield* broadcastNumber(rank === 0 ? rootBytes.length : 0))!
        const bytes = rank === 0 ? rootBytes : new Uint8Array(new ArrayBuffer(length))
        yield* broadcastInto(bytes, 0)
        return bytes
      }),
    barrier: done("a barrier", (request) => call.MPI_Ibarrier(world, request), []),
    stop: { requested: false, agreed: false },
    tell,
    attend: Effect.forever(
      Effect.delay(
        Effect.sync(() => {
          const { flag, status } = scratch()
          call.MPI_Iprobe(anySource, FAILURE_TAG, world, pointerTo(flag), pointerTo(status))
        }),
        10
      )
    ),
    finalize: Effect.sync(() => void call.MPI_Finalize()),
    abort: (code) => void call.MPI_Abort(world, code)
  }

  function broadcastNumber(value: number) {
    const word = Float64Array.of(value)
    return Effect.map(broadcastInto(bytesOf(word), 0), () => word[0])
  }
}

/** The same memory, outside of a heap that moves. */
const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array | Float64Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** Where everyone's bytes are in one room, for those of these lengths. */
const placed = (lengths: ReadonlyArray<number>) => {
  const counts = Int32Array.from(lengths)
  const places = new Int32Array(lengths.length)
  let total = 0
  for (const [i, length] of lengths.entries()) {
    places[i] = total
    total += Math.ceil(length / ALIGNMENT) * ALIGNMENT
  }
  return { counts, places, total }
}

const LONGEST_TEXT = 8192

const textFrom = (write: (text: unknown, length: unknown) => number, pointerTo: Foreign["pointerTo"]): string => {
  const text = new Uint8Array(LONGEST_TEXT)
  const length = new Int32Array(1)
  write(pointerTo(text), pointerTo(bytesOf(length)))
  return new TextDecoder().decode(text.subarray(0, length[0]))
}
