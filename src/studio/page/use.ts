/** The host in components: its answers, its events and its addresses as state; and what the reader's screen says. */
import { createContext } from "preact"
import { useCallback, useContext, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks"
import type {
  About,
  CallName,
  Doing,
  Input,
  Output,
  RunSummary,
  WatchEvent,
  WatchInput,
  WatchName
} from "../protocol/index.ts"
import type { Host, HostError } from "./host.ts"

interface Studio {
  readonly host: Host
  readonly about: About
}

export const StudioContext = createContext<Studio | undefined>(undefined)

export const useStudio = (): Studio => useContext(StudioContext)!

export interface CallState<Value> {
  /** the newest answer; that to the last question while this one is busy */
  readonly value: Value | undefined
  readonly problem: HostError | undefined
  /** what the host does for the answer, where that takes long */
  readonly doing: Doing | undefined
  readonly isBusy: boolean
  readonly again: () => void
}

/** Something with the question that it belongs to. */
interface Of<Value> {
  readonly key: string
  readonly value: Value
}

/**
 * Calls the host when the component is shown and whenever the input changes; not while the input is undefined. In every rendering an answer that is
 * not busy is the answer to the input of that rendering.
 */
export const useCall = <Name extends CallName>(name: Name, input: Input<Name> | undefined): CallState<Output<Name>> => {
  const { host } = useStudio()
  const [round, setRound] = useState(0)
  const [answer, setAnswer] = useState<Of<Output<Name>>>()
  const [failure, setFailure] = useState<Of<HostError>>()
  const [work, setWork] = useState<Of<Doing>>()
  const key = input === undefined ? undefined : `${round} ${JSON.stringify(input)}`
  useEffect(() => {
    if (key === undefined || input === undefined) return setAnswer(undefined)
    const stop = new AbortController()
    // of the same question, asked before
    setFailure(undefined)
    setWork(undefined)
    /** Does nothing for whoever asks something else by now. */
    const ifCurrent =
      <Value>(set: (next: Of<Value>) => void) =>
      (value: Value) => {
        if (!stop.signal.aborted) set({ key, value })
      }
    const fail = (next: Of<HostError>) => {
      setFailure(next)
      setAnswer(undefined)
    }
    host
      .call(name, input, { signal: stop.signal, doing: ifCurrent<Doing>(setWork) })
      .then(ifCurrent<Output<Name>>(setAnswer), ifCurrent<HostError>(fail))
    return () => stop.abort()
  }, [host, name, key])
  const current = <Value>(state: Of<Value> | undefined) =>
    key !== undefined && state?.key === key ? { value: state.value } : undefined
  const [result, failed] = [current(answer), current(failure)]
  const isBusy = key !== undefined && result === undefined && failed === undefined
  return {
    value: key === undefined ? undefined : answer?.value,
    problem: failed?.value,
    doing: isBusy ? current(work)?.value : undefined,
    isBusy,
    again: useCallback(() => setRound((last) => last + 1), [])
  }
}

/**
 * Elements that are one stop of the Tab key, with the arrow keys from there on: `current` has `tabIndex` 0, the others −1. `acts`: what further keys
 * do with the current one. After `keepFocus` it has the focus, whichever element that is by then.
 */
export const useRovingFocus = (count: number, acts: Readonly<Record<string, (at: number) => void>> = {}) => {
  const [at, setAt] = useState<number>()
  const list = useRef<HTMLDivElement>(null)
  const isMoving = useRef(false)
  const current = Math.min(at ?? 0, count - 1)
  const keepFocus = () => {
    isMoving.current = true
  }
  useLayoutEffect(() => {
    if (isMoving.current) list.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus()
    isMoving.current = false
  })
  const places: Readonly<Record<string, number>> = {
    ArrowRight: Math.min(count - 1, current + 1),
    ArrowLeft: Math.max(0, current - 1),
    Home: 0,
    End: count - 1
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const [to, act] = [places[event.key], acts[event.key]]
    if (to === undefined && act === undefined) return
    event.preventDefault()
    keepFocus()
    if (to !== undefined) setAt(to)
    act?.(current)
  }
  return { at, current, setAt, keepFocus, list, onKeyDown }
}

const AGAIN = 2_000 // milliseconds

/** Asks again and again while what was asked for is under way. */
export const useRefresh = (
  { isBusy, again }: Pick<CallState<unknown>, "isBusy" | "again">,
  isUnderWay: boolean
): void =>
  useEffect(() => {
    if (!isUnderWay || isBusy) return
    const timer = setTimeout(again, AGAIN)
    return () => clearTimeout(timer)
  }, [isUnderWay, isBusy, again])

export interface Action {
  /** the call in progress, and the run or study that it is about */
  readonly busy: { readonly name: CallName; readonly id: string | undefined } | undefined
  readonly problem: HostError | undefined
  readonly act: <Name extends CallName>(name: Name, input: Input<Name>, then?: (output: Output<Name>) => void) => void
}

/** Calls the host when the reader wants something done. `isNewestOnly`: the next call, and leaving the page, cancel one. */
export const useAction = ({ isNewestOnly = false } = {}): Action => {
  const { host } = useStudio()
  const [busy, setBusy] = useState<Action["busy"]>()
  const [problem, setProblem] = useState<HostError>()
  const stop = useRef(new AbortController())
  const cancel = () => {
    if (isNewestOnly) stop.current.abort()
  }
  useEffect(() => cancel, [])
  return {
    busy,
    problem,
    act: (name, input, then = () => {}) => {
      cancel()
      stop.current = new AbortController()
      const { signal } = stop.current
      setBusy({ name, id: (input as { readonly id?: string }).id })
      setProblem(undefined)
      const ifCurrent =
        <Value>(hear: (value: Value) => void) =>
        (value: Value) => {
          if (signal.aborted) return
          setBusy(undefined)
          hear(value)
        }
      host.call(name, input, { signal }).then(ifCurrent(then), ifCurrent<HostError>(setProblem))
    }
  }
}

const WAIT = 300 // milliseconds after the last change

/** Returns the last value that stayed the same for a moment. */
export const useSettled = <Value>(value: Value): Value => {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), WAIT)
    return () => clearTimeout(timer)
  }, [value])
  return settled
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

/** All runs, as they change; undefined until the first answer. */
export const useRuns = () =>
  useWatch<"runs", ReadonlyArray<RunSummary> | undefined>("runs", {}, undefined, (_, all) => all)

/** What the reader's screen and settings say, as state. */
export const useMedia = (query: string): boolean => {
  const [matches, setMatches] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const list = matchMedia(query)
    const changed = () => setMatches(list.matches)
    changed()
    list.addEventListener("change", changed)
    return () => list.removeEventListener("change", changed)
  }, [query])
  return matches
}

/** A new address is there before the last one ends. */
const useAddress = (addressOf: (host: Host) => Promise<string> | undefined, key: string): string | undefined => {
  const { host } = useStudio()
  const [url, setUrl] = useState<string | undefined>(undefined)
  useEffect(() => {
    setUrl(undefined)
    let isWanted = true
    const ask = () =>
      addressOf(host)?.then(
        (address) => {
          if (isWanted) setUrl(address)
        },
        () => {}
      )
    void ask()
    const timer = host.urlsLast === undefined ? undefined : setInterval(ask, host.urlsLast / 2)
    return () => {
      isWanted = false
      clearInterval(timer)
    }
  }, [host, key])
  return url
}

/** Returns the address of a file of a run, an export or a study; undefined until it is known, and without a file. */
export const useUrl = (id: string, path: string | null): string | undefined =>
  useAddress((host) => (path === null ? undefined : host.urlOf(id, path)), `${id} ${path}`)

/** The same of a folder as a ZIP file. */
export const useZip = (folder: string): string | undefined => useAddress((host) => host.zipOf?.(folder), folder)
