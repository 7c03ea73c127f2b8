/**
 * Rows of several requests as batches of one model: what arrives within some milliseconds, and whatever has come while the device was busy,
 * is computed together.
 *
 * A batch takes one row of each request in turn until it is full, so that a request of one row never waits for one of a thousand. Where a
 * batch fails, each request's rows are computed alone: one with a row that cannot be read fails alone.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Turns } from "./turns.ts"

export interface BatchOptions<Row, Answer, E, R> {
  readonly turns: Turns
  /** rows of a batch at most */
  readonly size: number
  /** milliseconds that an idle device waits for more rows than the first */
  readonly wait: number
  /** The answers of rows, one each, in their order. */
  readonly compute: (rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<Answer>, E, R>
  /** called with the rows of each batch */
  readonly onBatch: (rows: number) => Effect.Effect<void>
}

export interface Batches<Row, Answer, E> {
  /** The answers of rows, one each, in their order. An interruption takes away the rows that wait. */
  readonly ask: (rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<Answer>, E>
  /** rows that wait */
  readonly waiting: () => number
}

interface Asked<Row, Answer, E> {
  readonly rows: ReadonlyArray<Row>
  readonly answers: Array<Answer>
  /** rows that were taken into a batch */
  taken: number
  /** rows that were answered */
  answered: number
  readonly done: Deferred.Deferred<ReadonlyArray<Answer>, E>
}

/** A row's place in a request. */
interface Place<Row, Answer, E> {
  readonly asked: Asked<Row, Answer, E>
  readonly at: number
}

/** Batches are computed in a fiber of the scope. */
export const batches = <Row, Answer, E, R>({
  turns,
  size,
  wait,
  compute,
  onBatch
}: BatchOptions<Row, Answer, E, R>): Effect.Effect<Batches<Row, Answer, E>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<R>()
    const scope = yield* Effect.scope
    let pending: Array<Asked<Row, Answer, E>> = []
    let working = false
    const waiting = () => pending.reduce((sum, { rows, taken }) => sum + rows.length - taken, 0)

    /** One row of each request, again and again. */
    const takeBatch = (): ReadonlyArray<Place<Row, Answer, E>> => {
      const batch: Array<Place<Row, Answer, E>> = []
      while (batch.length < size && pending.length > 0) {
        for (const asked of pending.slice(0, size - batch.length)) batch.push({ asked, at: asked.taken++ })
        pending = pending.filter(({ rows, taken }) => taken < rows.length)
      }
      return batch
    }

    const answer = (places: ReadonlyArray<Place<Row, Answer, E>>, answers: ReadonlyArray<Answer>) =>
      Effect.forEach(
        places,
        ({ asked, at }, i) => {
          asked.answers[at] = answers[i]!
          asked.answered += 1
          return asked.answered === asked.rows.length ? Deferred.succeed(asked.done, asked.answers) : Effect.void
        },
        { discard: true }
      )
    const rowsOf = (places: ReadonlyArray<Place<Row, Answer, E>>) => places.map(({ asked, at }) => asked.rows[at]!)

    /** The rows of one request; its failure is the request's. */
    const alone = (asked: Asked<Row, Answer, E>, places: ReadonlyArray<Place<Row, Answer, E>>) =>
      Effect.matchCauseEffect(compute(rowsOf(places)), {
        onSuccess: (answers) => answer(places, answers),
        onFailure: (cause) => {
          pending = pending.filter((own) => own !== asked)
          return Effect.asVoid(Deferred.failCause(asked.done, cause))
        }
      })

    const one = Effect.suspend(() => {
      const places = takeBatch()
      if (places.length === 0) return Effect.void
      const byRequest = Map.groupBy(places, ({ asked }) => asked)
      const apart = Effect.forEach(byRequest, ([asked, own]) => alone(asked, own), { discard: true })
      if (byRequest.size === 1) return Effect.andThen(onBatch(places.length), apart)
      return Effect.andThen(
        onBatch(places.length),
        Effect.matchCauseEffect(compute(rowsOf(places)), {
          onSuccess: (answers) => answer(places, answers),
          onFailure: () => apart
        })
      )
    })

    const work = Effect.gen(function* () {
      while (true) {
        // nothing comes between the two: a request that comes later starts another fiber
        if (pending.length === 0) {
          working = false
          return
        }
        if (!turns.busy() && waiting() < size) yield* Effect.sleep(wait)
        yield* turns.run(one)
      }
    }).pipe(Effect.provideContext(context))

    return {
      waiting,
      ask: (rows) =>
        Effect.gen(function* () {
          if (rows.length === 0) return []
          const done = yield* Deferred.make<ReadonlyArray<Answer>, E>()
          const asked: Asked<Row, Answer, E> = { rows, answers: [], taken: 0, answered: 0, done }
          pending.push(asked)
          if (!working) {
            working = true
            yield* Effect.forkIn(work, scope)
          }
          return yield* Deferred.await(done).pipe(
            Effect.onInterrupt(() =>
              Effect.sync(() => {
                pending = pending.filter((own) => own !== asked)
              })
            )
          )
        })
    }
  })
