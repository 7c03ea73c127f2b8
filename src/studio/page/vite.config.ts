/** Builds the studio's page. `base` is relative, so that it is served from any path. */
import { defineConfig } from "vite"

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // the editor of plans, which is loaded by whoever opens it
    chunkSizeWarningLimit: 600
  }
})
