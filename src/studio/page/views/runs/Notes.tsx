/** Notes on a run, which are kept in its folder when their field is left. */
import { useState } from "preact/hooks"
import type { RunSummary } from "../../../protocol/index.ts"
import { Trouble } from "../../parts/loading.tsx"
import { useAction } from "../../use.ts"

export const Notes = ({ summary: { id, comment } }: { readonly summary: RunSummary }) => {
  const [saved, setSaved] = useState(comment)
  const [announcement, say] = useState("")
  const { problem, act } = useAction()
  const save = (text: string) => {
    if (text === saved) return
    act("annotate", { id, comment: text }, () => {
      setSaved(text)
      say("Saved")
    })
  }
  return (
    <section>
      <h3 id="notes">Notes</h3>
      <textarea
        aria-labelledby="notes"
        rows={3}
        maxLength={10_000}
        placeholder="What you tried, and what you saw"
        onInput={() => say("")}
        onChange={({ currentTarget }) => save(currentTarget.value)}
      >
        {comment}
      </textarea>
      <p class="small quiet" role="status">
        {announcement}
      </p>
      <Trouble problem={problem} />
    </section>
  )
}
