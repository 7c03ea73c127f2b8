/**
 * Batches rows of several requests for one model: rows that arrive within some milliseconds, or while the device was busy, are computed together.
 *
 * A batch begins with a row of the client whose turn it is and takes one row of each client in turn until it is full, so that a request of one row
 * never waits for one of a thousand; each client is charged for its rows. If a batch fails, each request's rows are computed alone, so that only
 * the request with the unreadable row fails.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Semaphore from "effect/Semaphore"
import type { Scheduler } from "./scheduler.ts"

/** Options of a queue of batches. */
export interface BatchOptions<Row, Answer, E, R> {
  /** scheduler of the device */
  readonly turns: Scheduler
  /** kind of work for `turns`: a model and a task */
  readonly kind: string
  /** maximum number of rows in a batch */
  readonly size: number
  /** time that an idle device waits for more rows after the first, in milliseconds */
  readonly wait: number
  /** the part of the work that runs before the device is needed, such as decoding; absent: none */
  readonly apart?: Apart
  /** Runs the first part of the rows' work and returns the rest, which resolves to one answer per row, in order. */
  readonly compute: (rows: ReadonlyArray<Row>) => Effect.Effect<Effect.Effect<ReadonlyArray<Answer>, E, R>, E, R>
  /** called with the number of rows of each batch */
  readonly onBatch: (rows: number) => Effect.Effect<void>
}

/** The part of the work that needs no device. */
export interface Apart {
  readonly turns: Scheduler
  /** maximum units in a batch, unless its first row alone has more */
  readonly units: number
  /** permits for batches that wait for the device after this part */
  readonly ahead: Semaphore.Semaphore
}

/** Rows of a request. */
export interface Request<Row> {
  readonly client: string
  readonly rows: ReadonlyArray<Row>
  /** units of work of each row's first part; default 1 */
  readonly units?: ReadonlyArray<number>
}

/** A queue of batches. */
export interface Batches<Row, Answer, E> {
  /** Returns one answer per row, in order. An interruption removes the rows that still wait. */
  readonly ask: (request: Request<Row>) => Effect.Effect<ReadonlyArray<Answer>, E>
  /** number of waiting rows */
  readonly waiting: () => number
}

interface Pending<Row, Answer, E> extends Request<Row> {
  readonly answers: Array<Answer>
  /** number of rows taken into batches */
  started: number
  /** number of answered rows */
  answered: number
  readonly done: Deferred.Deferred<ReadonlyArray<Answer>, E>
}

/** A row's place in a request. */
interface Place<Row, Answer, E> {
  readonly request: Pending<Row, Answer, E>
  readonly at: number
}

/** Rows with the remaining work for their answers. */
interface Begun<Row, Answer, E, R> {
  readonly places: ReadonlyArray<Place<Row, Answer, E>>
  readonly rest: Effect.Effect<ReadonlyArray<Answer>, E, R>
}

/** Creates a queue of batches, which are computed in fibers of the scope. */
export const batches = <Row, Answer, E, R>({
  turns,
  kind,
  size,
  wait,
  apart,
  compute,
  onBatch
}: BatchOptions<Row, Answer, E, R>): Effect.Effect<Batches<Row, Answer, E>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const scope = yield* Effect.scope
    /** requests with rows that wait, by client */
    const pending = new Map<string, Array<Pending<Row, Answer, E>>>()
    const working = new Set<string>()
    const first = apart?.turns ?? turns
    const waiting = () =>
      [...pending.values()].flat().reduce((sum, { rows, started }) => sum + rows.length - started, 0)

    const leave = (request: Pending<Row, Answer, E>) => {
      const remaining = (pending.get(request.client) ?? []).filter((queued) => queued !== request)
      if (remaining.length === 0) pending.delete(request.client)
      else pending.set(request.client, remaining)
    }
    const unitsOf = ({ request, at }: Place<Row, Answer, E>) => request.units?.[at] ?? 1
    const headOf = (client: string): Place<Row, Answer, E> | undefined => {
      const [request] = pending.get(client) ?? []
      return request === undefined ? undefined : { request, at: request.started }
    }
    /** Takes a client's next row; its requests alternate. */
    const startRow = (head: Place<Row, Answer, E>) => {
      const { request } = head
      request.started += 1
      leave(request)
      if (request.started < request.rows.length)
        pending.set(request.client, [...(pending.get(request.client) ?? []), request])
      return head
    }

    /** Takes one row of each client, repeatedly, starting with the client whose turn it is. */
    const takeBatch = (client: string): ReadonlyArray<Place<Row, Answer, E>> => {
      const batch: Array<Place<Row, Answer, E>> = []
      // what a client adds may not make a turn long that others wait for
      const clients = turns.clients()
      const isShared = clients > 1
      const rows = isShared ? Math.min(size / clients, apart === undefined ? size : turns.room(kind)) : size
      const room = isShared ? first.room(kind) : Number.POSITIVE_INFINITY
      const units = new Map<string, number>()
      let all = 0
      const isFull = (candidate: string, more: number) =>
        batch.length === size ||
        (batch.length > 0 && ((units.get(candidate) ?? 0) + more > room || all + more > (apart?.units ?? all + more)))
      for (let round = 0; round === 0 || round < rows; round++) {
        const before = batch.length
        for (const nextClient of [client, ...[...pending.keys()].filter((waiting) => waiting !== client)]) {
          const head = headOf(nextClient)
          if (head === undefined) continue
          const more = unitsOf(head)
          if (isFull(nextClient, more)) continue
          units.set(nextClient, (units.get(nextClient) ?? 0) + more)
          all += more
          batch.push(startRow(head))
        }
        if (batch.length === before) break
      }
      return batch
    }

    const answer = (places: ReadonlyArray<Place<Row, Answer, E>>, answers: ReadonlyArray<Answer>) =>
      Effect.forEach(
        places,
        ({ request, at }, i) => {
          request.answers[at] = answers[i]!
          request.answered += 1
          return request.answered === request.rows.length
            ? Deferred.succeed(request.done, request.answers)
            : Effect.void
        },
        { discard: true }
      )

    const begin = (places: ReadonlyArray<Place<Row, Answer, E>>) =>
      Effect.map(
        compute(places.map(({ request, at }) => request.rows[at]!)),
        (rest): Begun<Row, Answer, E, R> => ({ places, rest })
      )
    const finish = ({ places, rest }: Begun<Row, Answer, E, R>) =>
      Effect.flatMap(rest, (answers) => answer(places, answers))

    /** Runs a step for all places together or, if it fails, for the rows of each request separately, so that a failure affects only its request. */
    const orAlone = <A>(
      places: ReadonlyArray<Place<Row, Answer, E>>,
      together: Effect.Effect<A, E, R>,
      alone: (places: ReadonlyArray<Place<Row, Answer, E>>) => Effect.Effect<A, E, R>
    ): Effect.Effect<ReadonlyArray<A>, never, R> => {
      const byRequest = Map.groupBy(places, ({ request }) => request)
      const failing = (request: Pending<Row, Answer, E>, step: Effect.Effect<A, E, R>) =>
        Effect.matchCauseEffect(step, {
          onSuccess: (value): Effect.Effect<ReadonlyArray<A>> => Effect.succeed([value]),
          onFailure: (cause): Effect.Effect<ReadonlyArray<A>> => {
            leave(request)
            return Effect.as(Deferred.failCause(request.done, cause), [])
          }
        })
      if (byRequest.size === 1) return failing(places[0]!.request, together)
      return Effect.matchCauseEffect(together, {
        onSuccess: (value) => Effect.succeed([value]),
        onFailure: () =>
          Effect.map(
            Effect.forEach(byRequest, ([request, places]) => failing(request, alone(places))),
            (all) => all.flat()
          )
      })
    }

    /** Finishes the started work for requests that still wait. */
    const finishAll = (all: ReadonlyArray<Begun<Row, Answer, E, R>>) =>
      Effect.forEach(
        all.filter(({ places }) => places.some(({ request }) => !Deferred.isDoneUnsafe(request.done))),
        (begun) => orAlone(begun.places, finish(begun), (places) => Effect.flatMap(begin(places), finish)),
        { discard: true }
      )

    /** Counts the rows of each client, in units. */
    const partsOf = (places: ReadonlyArray<Place<Row, Answer, E>>, units: (place: Place<Row, Answer, E>) => number) => {
      const parts = new Map<string, number>()
      for (const place of places) {
        const { client } = place.request
        parts.set(client, (parts.get(client) ?? 0) + units(place))
      }
      return parts
    }

    /** Computes a batch that a client's turn begins. Its rows may already be in another client's batch. */
    const takeTurn = (client: string) => {
      let places: ReadonlyArray<Place<Row, Answer, E>> = []
      const taking = Effect.suspend(() => {
        places = takeBatch(client)
        return places.length === 0 ? Effect.succeed([]) : Effect.andThen(onBatch(places.length), begunOf)
      })
      const begunOf = Effect.suspend(() => orAlone(places, begin(places), begin))
      const units = () => {
        const head = headOf(client)
        return head === undefined ? 0 : unitsOf(head)
      }
      const job = { client, kind, units, parts: () => partsOf(places, unitsOf) }
      if (apart === undefined) return turns.run(job, Effect.flatMap(taking, finishAll))
      const begunAhead = apart.turns.run(job, Effect.andThen(apart.ahead.take(1), taking))
      const finished = (all: ReadonlyArray<Begun<Row, Answer, E, R>>) => {
        const rows = { client, kind, units: () => places.length, parts: () => partsOf(places, () => 1) }
        return all.length === 0 ? Effect.void : turns.run(rows, finishAll(all))
      }
      return Effect.ensuring(Effect.flatMap(begunAhead, finished), apart.ahead.release(1))
    }

    const work = (client: string) =>
      Effect.gen(function* () {
        while (true) {
          // nothing comes between the two: a request that comes later starts another fiber
          if (!pending.has(client)) return void working.delete(client)
          // where others ask too, rows gather while they are served
          if (!turns.busy() && waiting() < size && turns.clients() < 2) yield* Effect.sleep(wait)
          yield* takeTurn(client)
        }
      }).pipe(Effect.provideContext(context))

    return {
      waiting,
      ask: (request) =>
        Effect.gen(function* () {
          if (request.rows.length === 0) return []
          const done = yield* Deferred.make<ReadonlyArray<Answer>, E>()
          const queued: Pending<Row, Answer, E> = { ...request, answers: [], started: 0, answered: 0, done }
          const { client } = request
          pending.set(client, [...(pending.get(client) ?? []), queued])
          if (!working.has(client)) {
            working.add(client)
            yield* Effect.forkIn(work(client), scope)
          }
          return yield* Deferred.await(done).pipe(
            Effect.onInterrupt(() =>
              Effect.suspend(() => {
                leave(queued)
                return Deferred.interrupt(done)
              })
            )
          )
        })
    }
  })
