/** Runs: what they do now, what they reached, several over each other. */
import type { View } from "../../view.ts"

export const runsView: View = {
  name: "runs",
  title: "Runs",
  sign: "M4 19V5M4 19h16M8 15l3-4 3 2 4-6",
  load: async () => (await import("./Runs.tsx")).Runs
}
