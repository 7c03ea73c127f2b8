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

/** Style sheet of a run's gain: two numbers, a bar with its marks (`--at` from 0 to 1), and a verdict on its certainty. */
export const gainStyle = `
.gain { border: 1px solid var(--line); border-radius: calc(1.5 * var(--radius)); background: var(--paper); padding: var(--space-4) var(--space-5); margin: var(--space-4) 0; font-variant-numeric: tabular-nums; }
.gain p { margin: 0; max-width: none; }
.gain-numbers { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 var(--space-3); font-size: var(--text-5); color: var(--quiet); line-height: 1.3; }
.gain-numbers strong { font-size: var(--text-6); color: var(--ink); letter-spacing: -0.02em; }
.gain-bar { position: relative; height: 0.75rem; margin-top: var(--space-4); border-radius: 0.375rem; background: var(--raised); box-shadow: inset 0 0 0 1px var(--line); }
.gain-bar i { position: absolute; left: calc(var(--at) * 100%); top: 0; bottom: 0; }
.gain-bar .after { left: 0; width: calc(var(--at) * 100%); border-radius: 0.375rem; background: var(--tint); }
.gain-bar .interval { right: calc((1 - var(--to)) * 100%); top: -0.1875rem; bottom: -0.1875rem; border: solid var(--ink); border-width: 0 2px; background: linear-gradient(var(--ink) 0 0) center / 100% 2px no-repeat; }
.gain-bar .baseline, .gain-bar .before { width: 0; margin-left: -1px; top: -0.375rem; bottom: -0.375rem; border-left: 2px dashed var(--ink); }
.gain-bar .before { border-left: 2px solid var(--quiet); }
.gain-ends { display: flex; justify-content: space-between; margin-top: var(--space-1) !important; color: var(--quiet); font-size: var(--text-1); }
.gain-legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0 var(--space-5); margin: var(--space-2) 0 0; padding: 0; font-size: var(--text-2); }
.gain-legend li::before { content: ""; display: inline-block; margin-right: var(--space-2); vertical-align: middle; height: 0.875rem; border-left: 2px solid var(--quiet); }
.gain-legend .interval::before { width: 1rem; height: 0.5rem; border: solid var(--ink); border-width: 0 2px; background: linear-gradient(var(--ink) 0 0) center / 100% 2px no-repeat; }
.gain-legend .baseline::before { border-left: 2px dashed var(--ink); }
.gain-trust { margin-top: var(--space-3) !important; padding: var(--space-2) var(--space-3); border-radius: var(--radius); background: var(--tint-soft); }
.gain-trust.good { background: var(--good-soft); } .gain-trust.good strong { color: var(--good); }
.gain-trust.warn { background: var(--warn-soft); } .gain-trust.warn strong { color: var(--warn); }
.gain-trust.wrong { background: var(--wrong-soft); } .gain-trust.wrong strong { color: var(--wrong); }
@media print { .gain-bar i, .gain-bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }`
