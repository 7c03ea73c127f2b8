/** What a process says: its last lines, which follow it unless the reader has scrolled up, and all of it as a file. */
import { useEffect, useRef, useState } from "preact/hooks"
import { saveText } from "./saved.ts"
import { Scrolled } from "./scrolled.tsx"
import "./log.css"

/** More lines than these are in the file alone. */
const SHOWN = 400
/** pixels from the end within which a reader is at it */
const NEAR = 24

export const Log = ({ lines, name }: { readonly lines: ReadonlyArray<string>; readonly name: string }) => {
  const box = useRef<HTMLElement>(null)
  const [follows, setFollows] = useState(true)
  useEffect(() => {
    if (follows && box.current !== null) box.current.scrollTop = box.current.scrollHeight
  }, [lines, follows])
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!
    setFollows(scrollHeight - scrollTop - clientHeight < NEAR)
  }
  const left = lines.length - SHOWN
  return (
    <div class="log">
      <Scrolled label="Log" box={box} onScroll={scrolled}>
        <pre>
          {left > 0 ? `… ${left} lines before\n` : ""}
          {lines.slice(-SHOWN).join("\n")}
        </pre>
      </Scrolled>
      <div class="row">
        <button type="button" onClick={() => saveText(`${name}.log`, `${lines.join("\n")}\n`)}>
          Save the log
        </button>
        {follows ? null : (
          <button type="button" onClick={() => setFollows(true)}>
            To the newest line
          </button>
        )}
      </div>
    </div>
  )
}
