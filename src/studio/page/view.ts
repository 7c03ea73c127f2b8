/** What a view is: a value with a name in the address, a title, what it needs of the host, and a component that is loaded when it is shown. */
import type { ComponentType } from "preact"
import type { Ability } from "../protocol/index.ts"

export interface ViewProps {
  /** what follows the view's name in the address: a run, a study */
  readonly place: ReadonlyArray<string>
}

export interface View {
  /** in the address */
  readonly name: string
  /** in the navigation, and the page's heading */
  readonly title: string
  /** the outline of its sign, as a path in a box of 24 × 24 */
  readonly sign: string
  readonly needs?: Ability
  readonly load: () => Promise<ComponentType<ViewProps>>
}
