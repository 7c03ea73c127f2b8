/** The ways out of a finished run. */
import type { View } from "../../view.ts"

export const exportView: View = {
  name: "export",
  title: "Export",
  sign: "M12 4v11M8 11l4 4 4-4M5 20h14",
  load: async () => (await import("./Export.tsx")).Export
}
