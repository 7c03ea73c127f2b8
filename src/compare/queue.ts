/**
 * The queue of a study's trials: who takes a trial holds a lock on it for as long as it lives, and a lock that is not renewed is free
 * again after `EXPIRATION`. Delivery is at least once: a trial whose worker was killed is taken by another, and one whose worker was
 * killed between result and acknowledgement is taken again and found done.
 *
 * Offering a trial twice is offering it once: its id is its key, also when it is done.
 */
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as Schedule from "effect/Schedule"
import { QUEUE_TABLE, queueName } from "./database.ts"
import { Trial } from "./study.ts"

/** A lock is renewed every so often by a process whose event loop is never busy: training is a process of its own. */
const RENEWAL = "3 seconds"
/** An unrenewed lock is free again; whoever lost it while it still works does no harm, since a run folder has a lock of its own. */
const EXPIRATION = "10 seconds"

/** A worker that is killed has used an attempt, however often that is; only results end a trial. */
const ATTEMPTS = 1_000_000

export const queueLayer = PersistedQueue.layer.pipe(
  Layer.provide(
    PersistedQueue.layerStoreSql({
      tableName: QUEUE_TABLE,
      pollInterval: "500 millis",
      lockRefreshInterval: RENEWAL,
      lockExpiration: EXPIRATION
    })
  )
)

/** The queue of one study. */
export const openQueue = (study: string) =>
  PersistedQueue.make({
    name: queueName(study),
    schema: Trial,
    maxAttempts: ATTEMPTS,
    retrySchedule: Schedule.spaced("1 second")
  })

export type TrialQueue = Effect.Success<ReturnType<typeof openQueue>>
