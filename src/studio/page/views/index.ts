/** The views, in the order of the navigation. What a view needs of the host is there, or it is not shown; its component is loaded when it is shown. */
import type { ComponentType } from "preact"
import type { Ability } from "../../protocol/index.ts"
import type { ViewProps } from "../place.ts"

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

export const views: readonly [View, ...ReadonlyArray<View>] = [
  {
    name: "home",
    title: "Home",
    sign: "M4 11l8-7 8 7M6 10v10h12V10",
    load: async () => (await import("./home/Home.tsx")).Home
  },
  {
    name: "new",
    title: "New run",
    sign: "M12 5v14M5 12h14",
    load: async () => (await import("./new/NewRun.tsx")).NewRun
  },
  {
    name: "runs",
    title: "Runs",
    sign: "M4 19V5M4 19h16M8 15l3-4 3 2 4-6",
    load: async () => (await import("./runs/Runs.tsx")).Runs
  },
  {
    name: "try",
    title: "Try",
    sign: "M5 5h14v10H9l-4 4z",
    load: async () => (await import("./try/Try.tsx")).Try
  },
  {
    name: "compare",
    title: "Compare",
    sign: "M6 20V10M12 20V4M18 20v-7",
    needs: "compare",
    load: async () => (await import("./compare/Compare.tsx")).Compare
  },
  {
    name: "export",
    title: "Share",
    sign: "M12 4v11M8 11l4 4 4-4M5 20h14",
    load: async () => (await import("./export/Export.tsx")).Export
  }
]
