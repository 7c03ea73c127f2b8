/** The editor of plans as JSON, as a component. */
import { useEffect, useRef, useState } from "preact/hooks"
import type { PlanProblem } from "../../../../protocol/index.ts"
import { Loading, Trouble } from "../../../parts/loading.tsx"
import type { PlanEditor } from "./editor.ts"

interface JsonEditorProps {
  readonly schema: object
  readonly text: string
  readonly problems: ReadonlyArray<PlanProblem>
  readonly change: (text: string) => void
  /** a path to lead to */
  readonly target: { readonly path: string } | null
  readonly led: () => void
}

export const JsonEditor = ({ schema, text, problems, change, target, led }: JsonEditorProps) => {
  const container = useRef<HTMLDivElement>(null)
  const changed = useRef(change)
  changed.current = change
  // texts that went out and may come back in the time of a few letters: the editor is ahead of them
  const sent = useRef<ReadonlyArray<string>>([])
  const [editor, setEditor] = useState<PlanEditor>()
  const [problem, setProblem] = useState<Error>()
  useEffect(() => {
    let opened: PlanEditor | undefined
    let isWanted = true
    import("./editor.ts").then(
      ({ openEditor }) => {
        if (!isWanted) return
        opened = openEditor({
          parent: container.current!,
          schema,
          text,
          change: (next) => {
            sent.current = [...sent.current, next]
            changed.current(next)
          },
          label: "The plan as JSON"
        })
        setEditor(opened)
      },
      (error: Error) => setProblem(error)
    )
    return () => {
      isWanted = false
      opened?.end()
    }
  }, [schema])
  useEffect(() => {
    const at = sent.current.lastIndexOf(text)
    sent.current = at < 0 ? [] : sent.current.slice(at)
    if (at < 0) editor?.show(text)
  }, [editor, text])
  useEffect(() => editor?.mark(problems), [editor, problems])
  useEffect(() => {
    if (target === null || editor === undefined) return
    editor.lead(target.path)
    led()
  }, [editor, target])
  return (
    <>
      <Trouble problem={problem} />
      {editor === undefined && problem === undefined ? <Loading what="Loading the editor" /> : null}
      <div ref={container} />
    </>
  )
}
