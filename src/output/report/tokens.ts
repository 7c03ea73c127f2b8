/**
 * The colours, sizes and spaces of every page: report.html, compare.html and the studio, whose build puts them into its index.html. Colours follow
 * the reader's scheme; text on `--paper`, `--ground`, `--raised` and each soft colour has a contrast of at least 4.5.
 */
export const tokens = `:root {
  color-scheme: light dark;
  --ground: light-dark(#f6f8fa, #0f1418);
  --paper: light-dark(#ffffff, #171d23);
  --raised: light-dark(#f1f4f7, #1f272e);
  --ink: light-dark(#17202a, #e6ebf0);
  --quiet: light-dark(#52606d, #a3afba);
  --line: light-dark(#dde3e8, #2d3740);
  --edge: light-dark(#7b8794, #7b8794);
  --tint: light-dark(#0b63b5, #6db3f2);
  --on-tint: light-dark(#ffffff, #0b1a28);
  --tint-soft: light-dark(#e3effa, #1b2f42);
  --good: light-dark(#00694d, #4fc9a4);
  --good-soft: light-dark(#e0f3ec, #15302a);
  --warn: light-dark(#8a4b00, #f2a35e);
  --warn-soft: light-dark(#fdf1e2, #36281a);
  --wrong: light-dark(#b3261e, #ff8a80);
  --wrong-soft: light-dark(#fcebe9, #3a1f1d);
  --second: light-dark(#c15400, #f2a35e);
  --third: light-dark(#00795a, #4fc9a4);
  --fourth: light-dark(#8a3f7a, #dd9ccf);
  --font: system-ui, sans-serif;
  --mono: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", monospace;
  --text-1: 0.75rem;
  --text-2: 0.875rem;
  --text-3: 1rem;
  --text-4: 1.125rem;
  --text-5: 1.5rem;
  --text-6: 2.25rem;
  --space-1: 0.25rem;
  --space-2: 0.5rem;
  --space-3: 0.75rem;
  --space-4: 1rem;
  --space-5: 1.5rem;
  --space-6: 2rem;
  --radius: 0.5rem;
}`
