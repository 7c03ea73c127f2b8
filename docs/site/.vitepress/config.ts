/** The site: scripts/docs.ts writes the pages (`staged/`) and their sidebar, and calls VitePress with the folder and the base path. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type DefaultTheme, defineConfig } from "vitepress"

const sidebar: Array<DefaultTheme.SidebarItem> = JSON.parse(
  readFileSync(join(import.meta.dirname, "..", "staged", "sidebar.json"), "utf8")
)

/** GitHub's anchors, so that links to headings lead to the same place there and here. */
const slugify = (heading: string): string =>
  heading
    .toLowerCase()
    .trim()
    .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
    .replaceAll(" ", "-")

export default defineConfig({
  title: "tfjs-lora-pro",
  description: "LoRA-Pro fine-tuning on TensorFlow.js",
  srcDir: "staged",
  // a page is read as it is written: no letters are made others, no addresses are made links
  vite: { build: { chunkSizeWarningLimit: 4000 } },
  markdown: { anchor: { slugify }, linkify: false, typographer: false },
  themeConfig: {
    sidebar,
    outline: { level: [2, 3] },
    // guides before the reference: a field of a plan is what most words mean
    search: {
      provider: "local",
      options: {
        miniSearch: { searchOptions: { boostDocument: (place: string) => (place.includes("/api/") ? 1 : 2) } }
      }
    },
    nav: [
      { text: "By task", link: "/docs/" },
      { text: "Plan reference", link: "/docs/plan-reference" },
      { text: "API", link: "/docs/api" }
    ]
  }
})
