/** A question before something is removed, over the page. Escape and “Cancel” leave everything as it is. */
import type { ComponentChildren } from "preact"
import { useEffect, useId, useRef } from "preact/hooks"

interface ConfirmProps {
  readonly name: string
  /** what happens, and what does not */
  readonly children: ComponentChildren
  readonly remove: () => void
  /** called with either answer */
  readonly close: () => void
}

const AGREED = "agreed"

export const ConfirmRemoval = ({ name, children, remove, close }: ConfirmProps) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => dialog.current?.showModal(), [])
  // closed first, so that the focus goes back to where it was
  return (
    <dialog
      ref={dialog}
      class="confirm"
      aria-labelledby={id}
      onClose={({ currentTarget }) => {
        close()
        if (currentTarget.returnValue === AGREED) remove()
      }}
    >
      <h2 id={id}>Remove {name}?</h2>
      {children}
      <div class="row">
        <button type="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
        <button type="button" class="danger" onClick={() => dialog.current?.close(AGREED)}>
          Remove
        </button>
      </div>
    </dialog>
  )
}
