/** What a comparison's page has beside the look of a report: charts in SVG, in the reader's scheme. */

const light = "--second: #c15400; --third: #00795a;"
const dark = "--second: #f2a35e; --third: #4fc9a4;"

export const style = `
:root { ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }
@media print { :root { ${light} } }
.grid.small { grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
figure.wide svg { min-width: 34rem; max-width: 60rem; }
svg text { fill: var(--quiet); font-variant-numeric: tabular-nums; }
svg text.name { fill: var(--ink); font-size: 12px; }
svg line.rule { stroke: var(--line); }
svg line.base { stroke: var(--quiet); stroke-dasharray: 4 4; }
svg line.lead { stroke: var(--line); }
svg path { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg line.first { stroke-width: 3; stroke-linecap: round; }
svg line.thin { stroke-width: 1.5; }
svg .first { stroke: var(--tint); } svg circle.first { fill: var(--tint); }
svg .second { stroke: var(--second); } svg circle.second { fill: var(--second); }
svg .third { stroke: var(--third); } svg circle.third { fill: var(--third); }
svg .faint { stroke: var(--quiet); stroke-width: 1.25; stroke-dasharray: 2 3; }
svg circle.ring { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.legend { font-size: .8125rem; margin: .25rem 0; }
.legend span { margin-right: .75rem; }
.legend .first::before, .legend .second::before, .legend .third::before, .legend .faint::before { content: ""; display: inline-block; width: 1.25em; border-top: 3px solid var(--tint); margin-right: .375em; vertical-align: middle; }
.legend .second::before { border-color: var(--second); } .legend .third::before { border-color: var(--third); }
.legend .faint::before { border-top: 2px dotted var(--quiet); }
td.difference { min-width: 13rem; }
td.ahead, td.behind { font-weight: 600; }
td.difference .quiet { font-weight: 400; }
tr.failed th, tr.failed td { color: var(--quiet); }
td.chosen { font-weight: 600; outline: 1px solid var(--ink); outline-offset: -2px; }
`
