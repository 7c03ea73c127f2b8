/** A question before something that cannot be undone, over the page. Escape and “Cancel” leave everything as it is. */
import type { ComponentChildren } from "preact"
import { useEffect, useId, useRef } from "preact/hooks"

interface ConfirmProps {
  readonly title: string
  /** on the button that does it */
  readonly act: string
  /** what happens, and what does not */
  readonly children: ComponentChildren
  /** It was agreed to, or not. */
  readonly decide: (isAgreed: boolean) => void
}

const AGREED = "agreed"

export const Confirm = ({ title, act, children, decide }: ConfirmProps) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => dialog.current?.showModal(), [])
  // closed first, so that the focus goes back to where it was
  return (
    <dialog
      ref={dialog}
      class="confirm"
      aria-labelledby={id}
      onClose={({ currentTarget }) => decide(currentTarget.returnValue === AGREED)}
    >
      <h2 id={id}>{title}</h2>
      {children}
      <div class="row">
        <button type="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button type="button" class="danger" onClick={() => dialog.current?.close(AGREED)}>
          {act}
        </button>
      </div>
    </dialog>
  )
}
