/**
 * tfjs has one engine and one instance of each backend in a process. Opening a backend that is open already therefore
 * gets the same one; it is closed when its last user goes. Also gives the engine its former backend back, so that a short use
 * of one backend inside a longer use of another changes nothing.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { BELOW_CPU } from "./register.ts"

/** Opens and closes one backend, and makes nothing else of it. */
export interface BackendOpener<Options, Opened> {
  readonly backend: string
  readonly open: (options: Options) => Promise<Opened>
  /** Runs while the backend is still registered; the registration goes afterwards, which disposes the backend. */
  readonly close: (opened: Opened) => void
  /** Runs after the backend has been disposed. */
  readonly closed?: (opened: Opened) => void
}

/** Makes `backend` the one that tfjs has under this name, and the current one. */
export const useBackend = async (name: string, backend: tf.KernelBackend): Promise<void> => {
  if (tf.findBackendFactory(name)) tf.removeBackend(name)
  tf.registerBackend(name, () => backend)
  await tf.setBackend(name)
}

interface Use<Opened> {
  readonly opening: Promise<Opened>
  /** tfjs' own factory, which comes back when ours has gone */
  readonly factory: ReturnType<typeof tf.findBackendFactory> | undefined
  users: number
}

const closeLast = <Options, Opened>(
  opener: BackendOpener<Options, Opened>,
  opened: Opened,
  { factory }: Use<Opened>
): void => {
  opener.close(opened)
  const backend = tf.findBackend(opener.backend)
  tf.removeBackend(opener.backend)
  // A tensor that outlives its device frees nothing any more, and must not fail either.
  if (backend !== null) (backend as { disposeData: (id: object) => boolean }).disposeData = () => true
  if (factory) tf.registerBackend(opener.backend, factory, BELOW_CPU)
  opener.closed?.(opened)
}

const giveBack = async (previous: string | undefined): Promise<void> => {
  if (previous && previous !== tf.getBackend() && tf.findBackendFactory(previous)) await tf.setBackend(previous)
}

/** The opener as a scoped effect with shared use. `fail` turns whatever was thrown into the error. */
export const onePerProcess = <Options, Opened, E>(
  opener: BackendOpener<Options, Opened>,
  fail: (cause: unknown) => E
): ((options: Options) => Effect.Effect<Opened, E, Scope.Scope>) => {
  let current: Use<Opened> | undefined

  const acquire = async (options: Options) => {
    const previous: string | undefined = tf.getBackend()
    const factory = tf.findBackendFactory(opener.backend)
    const use: Use<Opened> = current ?? { opening: opener.open(options), factory, users: 0 }
    current = use
    use.users++
    try {
      const opened = await use.opening
      await tf.setBackend(opener.backend)
      return { opened, previous, use }
    } catch (cause) {
      if (current === use) current = undefined
      throw cause
    }
  }

  const release = async ({ opened, previous, use }: Awaited<ReturnType<typeof acquire>>) => {
    if (--use.users === 0) {
      if (current === use) current = undefined
      closeLast(opener, opened, use)
    }
    await giveBack(previous)
  }

  return (options) =>
    Effect.acquireRelease(Effect.tryPromise({ try: () => acquire(options), catch: fail }), (it) =>
      Effect.promise(() => release(it))
    ).pipe(Effect.map((it) => it.opened))
}
