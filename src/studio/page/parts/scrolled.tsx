/** What is larger than its place: it is scrolled there, by the keyboard too, and has a name. */
import type { ComponentChildren, RefObject } from "preact"

interface ScrolledProps {
  readonly label: string
  readonly class?: string
  readonly box?: RefObject<HTMLElement | null>
  readonly onScroll?: () => void
  readonly children: ComponentChildren
}

export const Scrolled = ({ label, class: own, box, onScroll, children }: ScrolledProps) => (
  <section
    class={own === undefined ? "scroll" : `scroll ${own}`}
    aria-label={label}
    // biome-ignore lint/a11y/noNoninteractiveTabindex: nobody without a mouse could scroll it otherwise
    tabIndex={0}
    {...(box === undefined ? {} : { ref: box })}
    {...(onScroll === undefined ? {} : { onScroll })}
  >
    {children}
  </section>
)
