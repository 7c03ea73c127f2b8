/** A new run: rows, a plan that fits them, and its start. */
import type { View } from "../../view.ts"

export const newView: View = {
  name: "new",
  title: "New run",
  sign: "M12 5v14M5 12h14",
  load: async () => (await import("./NewRun.tsx")).NewRun
}
