/** The views, in the order of the navigation. */
import type { View } from "../view.ts"
import { compareView } from "./compare/index.ts"
import { exportView } from "./export/index.ts"
import { newView } from "./new/index.ts"
import { runsView } from "./runs/index.ts"
import { tryView } from "./try/index.ts"

export const views: readonly [View, ...ReadonlyArray<View>] = [newView, runsView, tryView, compareView, exportView]
