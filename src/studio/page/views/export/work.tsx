/** An export or a push in progress: its last lines, its result, and a way to stop it. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { WatchEvent, WatchInput } from "../../../protocol/index.ts"
import { useStudio } from "../../use.ts"

type Name = "export" | "push"
type Done<N extends Name> = Extract<WatchEvent<N>, { readonly kind: "done" }>

export type Work<N extends Name> =
  | { readonly state: "idle" }
  | { readonly state: "running"; readonly lines: ReadonlyArray<string> }
  | { readonly state: "done"; readonly result: Done<N> }
  | { readonly state: "failed"; readonly message: string }

interface Hooks<N extends Name> {
  readonly onBusy?: (isBusy: boolean) => void
  readonly onDone?: (result: Done<N>) => void
}

/** progress lines that are shown */
const SHOWN = 6

/** Runs one at a time, and stops it when the component leaves. */
export const useWork = <N extends Name>(name: N, { onBusy, onDone }: Hooks<N> = {}) => {
  const { host } = useStudio()
  const [work, setWork] = useState<Work<N>>({ state: "idle" })
  const leave = useRef<(() => void) | undefined>(undefined)
  useEffect(() => () => leave.current?.(), [])
  const start = (input: WatchInput<N>) => {
    leave.current?.()
    setWork({ state: "running", lines: [] })
    onBusy?.(true)
    leave.current = host.watch(name, input, {
      event: (event) => {
        if (event.kind === "done") {
          const result = event as Done<N>
          setWork({ state: "done", result })
          return onDone?.(result)
        }
        setWork((now) =>
          now.state === "running" ? { state: "running", lines: [...now.lines, event.text].slice(-SHOWN) } : now
        )
      },
      end: (problem) => {
        onBusy?.(false)
        if (problem !== undefined) setWork({ state: "failed", message: problem.message })
      }
    })
  }
  const stop = () => {
    leave.current?.()
    onBusy?.(false)
    setWork({ state: "idle" })
  }
  return { work, start, stop }
}

export const ProgressLines = ({ work }: { readonly work: Work<Name> }) =>
  work.state === "running" && work.lines.length > 0 ? <pre class="progress-lines">{work.lines.join("\n")}</pre> : null
