/**
 * Schedules work where the number of pieces done at a time is limited: deficit round robin over clients. A piece of work has an estimated cost. Every
 * waiting client is credited equally, and the first whose credit covers its next piece gets a turn. Afterwards the client is charged for the actual time, so
 * clients with waiting work get equal time, however large their pieces are and however many they send.
 *
 * The device is such a scheduler with one place, decoding another, and text generation has as many places as there may be texts. Between two turns the
 * process handles its connections, since the device computes synchronously.
 */
import { setImmediate, setTimeout } from "node:timers"
import * as Effect from "effect/Effect"

/** A piece of work that waits for its turn. */
export interface Job {
  /** client to which it belongs */
  readonly client: string
  /** Kind of work. The time of pieces of one kind is proportional to their units; the scheduler learns the time per unit. */
  readonly kind: string
  /** Returns the units of work that remain, whenever a turn is granted; 0: none. */
  readonly units: () => number
  /** number of places it takes; default 1 */
  readonly places?: number
  /** Returns, when the turn ends, the units done for each client; default: all of them for `client`. */
  readonly parts?: () => ReadonlyMap<string, number>
}

/** Scheduler of work on one resource. */
export interface Scheduler {
  /** Runs work when its turn comes. An interruption before that cancels it. */
  readonly run: <A, E, R>(job: Job, work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * Runs work that mostly waits for files, outside of turns. Its steps alternate with the device's, which are longer; it gets a fifth of the
   * time, so that it finishes.
   */
  readonly beside: <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** units of a kind that fit in a turn while other clients wait; at least 1 */
  readonly room: (kind: string) => number
  /** number of clients that had or awaited a turn within the last second */
  readonly clients: () => number
  /** number of waiting pieces of work */
  readonly waiting: () => number
  /** whether all places are taken */
  readonly busy: () => boolean
}

/** Options of a scheduler. */
export interface SchedulerOptions {
  /** number of places, the work done at a time; default 1 */
  readonly places?: number
  /** maximum number of places per client; default: as many as remain free */
  readonly each?: number
  /** clock in milliseconds; default `performance.now` */
  readonly now?: () => number
}

interface Piece {
  readonly job: Job
  readonly enter: () => void
}

interface Flow {
  /** milliseconds of work that the client may use now; below 0: it has used more than its share */
  credit: number
  /** number of places it holds */
  held: number
  readonly queue: Array<Piece>
}

/** A turn that has begun. */
interface Turn {
  readonly at: number
  readonly units: number
  readonly cost: number
}

/** Pause after a turn while work runs outside of turns: a part of the turn's own time, and a minimum in milliseconds. */
const BESIDE = { part: 1 / 4, least: 10 }

/** Maximum milliseconds of a turn for one client's work while others wait. */
const SHARED_TURN = 25

/** Milliseconds after which a client no longer counts. */
const ABSENT = 1_000

/** Weight of a new turn in the estimate of its kind. */
const LEARNING = 1 / 4

/** Deno polls its sockets only when idle, which a timer allows and an immediate does not. */
const isDeno = "Deno" in globalThis

/** Creates a scheduler. */
export const scheduler = ({ places = 1, each, now = () => performance.now() }: SchedulerOptions = {}): Scheduler => {
  // in the order of their last turns
  const flows = new Map<string, Flow>()
  const rates = new Map<string, number>()
  const lastServed = new Map<string, number>()
  let placesTaken = 0
  let beside = 0

  // what is not known yet is found out first
  const costOf = ({ kind, units }: Job) => (rates.get(kind) ?? 0) * units()
  const flowOf = (client: string): Flow => {
    const flow = flows.get(client) ?? { credit: 0, held: 0, queue: [] }
    flows.set(client, flow)
    return flow
  }
  const isGone = ({ credit, held, queue }: Flow) => credit >= 0 && held === 0 && queue.length === 0

  /** Returns whether a client may take a place: it must leave as many free as it holds, so that others find room. */
  const fits = ({ held, queue: [head] }: Flow) => {
    if (head === undefined) return false
    const wantedPlaces = head.job.places ?? 1
    return wantedPlaces <= places - placesTaken && held + wantedPlaces <= (each ?? places - placesTaken)
  }

  const missing = ({ credit, queue }: Flow): number => {
    const cost = costOf(queue[0]!.job)
    return cost === 0 ? 0 : Math.max(0, cost - credit)
  }

  const next = () => {
    while (placesTaken < places) {
      const ready = [...flows].filter(([, flow]) => fits(flow))
      if (ready.length === 0) return
      const needs = ready.map(([, flow]) => missing(flow))
      const least = Math.min(...needs)
      for (const [client, flow] of flows) {
        // who waits for nothing pays back, and saves nothing up
        flow.credit = flow.queue.length > 0 ? flow.credit + least : Math.min(0, flow.credit + least)
        if (isGone(flow)) flows.delete(client)
      }
      const [client, flow] = ready[needs.indexOf(least)]!
      flows.delete(client)
      flows.set(client, flow)
      const piece = flow.queue.shift()!
      const wantedPlaces = piece.job.places ?? 1
      placesTaken += wantedPlaces
      flow.held += wantedPlaces
      piece.enter()
    }
  }

  const take = (job: Job) =>
    Effect.callback<Turn>((resume) => {
      const { queue } = flowOf(job.client)
      const enter = () => {
        const turn = { at: now(), units: job.units(), cost: costOf(job) }
        flowOf(job.client).credit -= turn.cost
        lastServed.set(job.client, turn.at)
        resume(Effect.succeed(turn))
      }
      const piece: Piece = { job, enter }
      queue.push(piece)
      lastServed.set(job.client, now())
      next()
      return Effect.sync(() => {
        const at = queue.indexOf(piece)
        if (at >= 0) queue.splice(at, 1)
      })
    })

  /** Charges the actual time of a turn to the clients whose work it was, instead of the estimate. */
  const charge = ({ client, kind, parts }: Job, { at, units, cost }: Turn) => {
    const took = now() - at
    const shares = parts?.() ?? new Map([[client, units]])
    const all = [...shares.values()].reduce((sum, share) => sum + share, 0)
    flowOf(client).credit += cost
    for (const [shareClient, part] of shares) {
      flowOf(shareClient).credit -= all === 0 ? 0 : (took * part) / all
      lastServed.set(shareClient, now())
    }
    if (all === 0) return
    const rate = rates.get(kind)
    rates.set(kind, rate === undefined ? took / all : rate + LEARNING * (took / all - rate))
  }

  // the one that is next is chosen when the connections have been looked at: until then it may still leave
  const give = (job: Job, turn: Turn) =>
    Effect.sync(() => {
      charge(job, turn)
      const free = () => {
        const wantedPlaces = job.places ?? 1
        placesTaken -= wantedPlaces
        flowOf(job.client).held -= wantedPlaces
        next()
        if (placesTaken === 0) flows.clear()
      }
      if (beside > 0) setTimeout(free, Math.max(BESIDE.least, BESIDE.part * (now() - turn.at)))
      else if (isDeno) setTimeout(free, 0)
      else setImmediate(free)
    })

  return {
    run: (job, work) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(take(job)), (turn) => Effect.ensuring(restore(work), give(job, turn)))
      ),
    beside: (work) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          beside += 1
        }),
        () => work,
        () =>
          Effect.sync(() => {
            beside -= 1
          })
      ),
    room: (kind) => Math.max(1, Math.floor(SHARED_TURN / (rates.get(kind) ?? SHARED_TURN))),
    clients: () => {
      for (const [client, at] of lastServed) if (now() - at > ABSENT) lastServed.delete(client)
      return lastServed.size
    },
    waiting: () => [...flows.values()].reduce((sum, { queue }) => sum + queue.length, 0),
    busy: () => placesTaken >= places
  }
}
