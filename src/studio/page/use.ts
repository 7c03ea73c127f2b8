/** The host in components: its answers and events as state. */
import { createContext } from "preact"
import { useCallback, useContext, useEffect, useState } from "preact/hooks"
import type { About, CallName, Input, Output, WatchEvent, WatchInput, WatchName } from "../protocol/index.ts"
import type { Host, HostError } from "./host.ts"

export interface Studio {
  readonly host: Host
  readonly about: About
}

export const StudioContext = createContext<Studio | undefined>(undefined)

export const useStudio = (): Studio => useContext(StudioContext)!

export interface Asked<Value> {
  /** the newest answer, also while it is asked again */
  readonly value: Value | undefined
  readonly problem: HostError | undefined
  readonly isBusy: boolean
  readonly again: () => void
}

/** Asks when the component is shown, and whenever the input changes. `input` undefined: nothing is asked. */
export const useCall = <Name extends CallName>(name: Name, input: Input<Name> | undefined): Asked<Output<Name>> => {
  const { host } = useStudio()
  const [round, setRound] = useState(0)
  const [state, setState] = useState<Omit<Asked<Output<Name>>, "again">>({
    value: undefined,
    problem: undefined,
    isBusy: input !== undefined
  })
  const key = input === undefined ? undefined : JSON.stringify(input)
  useEffect(() => {
    if (input === undefined) return setState({ value: undefined, problem: undefined, isBusy: false })
    const stop = new AbortController()
    setState(({ value }) => ({ value, problem: undefined, isBusy: true }))
    host.call(name, input, stop.signal).then(
      (value) => setState({ value, problem: undefined, isBusy: false }),
      (problem: HostError) => {
        if (!stop.signal.aborted) setState({ value: undefined, problem, isBusy: false })
      }
    )
    return () => stop.abort()
  }, [host, name, key, round])
  return { ...state, again: useCallback(() => setRound((last) => last + 1), []) }
}

const RETRY = 2_000 // milliseconds

/**
 * Folds events into state for as long as the component is shown. A watch that broke off is begun again, from its beginning.
 * `input` undefined: nothing is watched.
 */
export const useWatch = <Name extends WatchName, State>(
  name: Name,
  input: WatchInput<Name> | undefined,
  first: State,
  fold: (state: State, event: WatchEvent<Name>) => State
): { readonly state: State; readonly problem: HostError | undefined } => {
  const { host } = useStudio()
  const [state, setState] = useState(first)
  const [problem, setProblem] = useState<HostError | undefined>(undefined)
  const key = input === undefined ? undefined : JSON.stringify(input)
  useEffect(() => {
    setState(first)
    setProblem(undefined)
    if (input === undefined) return
    let stop = () => {}
    let timer: ReturnType<typeof setTimeout> | undefined
    const begin = () => {
      let isFirst = true
      stop = host.watch(name, input, {
        event: (event) => {
          setProblem(undefined)
          const base = isFirst ? first : undefined
          isFirst = false
          setState((now) => fold(base ?? now, event))
        },
        end: (failed) => {
          setProblem(failed)
          if (failed?.tag === "Gone") timer = setTimeout(begin, RETRY)
        }
      })
    }
    begin()
    return () => {
      clearTimeout(timer)
      stop()
    }
  }, [host, name, key])
  return { state, problem }
}
