/** VitePress's own theme, light and dark, with the fonts of whoever reads: nothing is loaded from elsewhere. */
import "./style.css"

export { default } from "vitepress/theme-without-fonts"
