/**
 * tfjs has one engine and one instance of each backend per process. Opening a backend that is already open therefore
 * returns the same one, which closes when its last user releases it. Also restores the engine's previous backend, so that a short use
 * of one backend within a longer use of another has no lasting effect.
 */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { BELOW_CPU } from "./register.ts"

/** Opens and closes one backend, without other effects. */
export interface BackendOpener<Options, Opened> {
  readonly backend: string
  readonly open: (options: Options) => Promise<Opened>
  /** Runs while the backend is still registered. The registration is then removed, which disposes the backend. */
  readonly close: (opened: Opened) => void
  /** Runs after the backend has been disposed. */
  readonly closed?: (opened: Opened) => void
}

/** Registers `backend` in tfjs under this name and makes it the current one. */
export const useBackend = async (name: string, backend: tf.KernelBackend): Promise<void> => {
  if (tf.findBackendFactory(name)) tf.removeBackend(name)
  tf.registerBackend(name, () => backend)
  await tf.setBackend(name)
}

interface Use<Opened> {
  readonly opening: Promise<Opened>
  /** tfjs's own factory, restored afterwards */
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
  // A tensor that outlives its device has nothing to free, and disposing it must not fail.
  if (backend !== null) (backend as { disposeData: (id: object) => boolean }).disposeData = () => true
  if (factory) tf.registerBackend(opener.backend, factory, BELOW_CPU)
  opener.closed?.(opened)
}

const giveBack = async (previous: string | undefined): Promise<void> => {
  if (previous && previous !== tf.getBackend() && tf.findBackendFactory(previous)) await tf.setBackend(previous)
}

/** Returns the opener as a scoped effect with shared use. `fail` converts exceptions to the error. */
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
