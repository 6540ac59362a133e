//! Head, style and the plain parts of a page; well-formed as XML, so that a strict reader can check it.

use std::fmt::Write;

use super::plot::Plot;

/// Of a page and of a picture alone: on light and dark grounds, and on paper.
pub(super) const PALETTE: &str = "
:root { color-scheme: light dark; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --ground: #ffffff;
  --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df; --c4: #bf3989; --c5: #6e7781; --c6: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #9198a1; --line: #3d444d;
  --ground: #0d1117; --c0: #4493f8; --c1: #f0883e; --c2: #3fb950; --c3: #ab7df8; --c4: #f778ba; --c5: #9198a1;
  --c6: #d29922; } }
@media print { :root { color-scheme: light; --text: #000; --soft: #333; --line: #999; --ground: #fff;
  --c0: #0969da; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df; --c4: #bf3989; --c5: #6e7781; --c6: #9a6700; } }
";

/// Of what is drawn.
pub(super) const MARKS: &str = "
svg text { fill: var(--text); font: 12px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
.axis { stroke: var(--soft); } .grid { stroke: var(--line); } .guide { stroke: var(--soft); stroke-dasharray: 2 4; }
.curve { fill: none; stroke-width: 2; } .range { stroke-width: 1.5; }
";

const STYLE: &str = "
@media print { figure, table { break-inside: avoid; } details { display: none; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground);
  margin: 2rem auto; max-width: 68rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
p { color: var(--soft); max-width: 48rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem .2rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; vertical-align: bottom; }
table.protocol td { text-align: left; }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; width: 32rem; max-width: 100%; }
figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
details { font-size: .85rem; color: var(--soft); } .data { max-height: 16rem; overflow: auto; }
";

pub struct Page {
    out: String,
    plots: usize,
}

/// For text and attribute values.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

pub fn number(value: f64) -> String {
    format!("{value:.4}")
}

impl Page {
    pub fn new(title: &str) -> Page {
        let title = escape(title);
        let out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
             <title>{title}</title><style>{PALETTE}{STYLE}{MARKS}</style></head><body><main>\n<h1>{title}</h1>\n"
        );
        Page { out, plots: 0 }
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(text);
    }

    pub fn heading(&mut self, text: &str) {
        self.add(format_args!("<h2>{}</h2>\n", escape(text)));
    }

    pub fn paragraph(&mut self, text: &str) {
        self.add(format_args!("<p>{}</p>\n", escape(text)));
    }

    pub fn table(&mut self, name: &str, head: &[&str], rows: Vec<Vec<String>>) {
        self.add(format_args!(
            "<div class=\"wide\"><table class=\"{name}\"><thead><tr>"
        ));
        for cell in head {
            self.add(format_args!("<th scope=\"col\">{}</th>", escape(cell)));
        }
        self.add(format_args!("</tr></thead><tbody>\n"));
        for row in rows {
            self.out.push_str("<tr>");
            for cell in row {
                self.add(format_args!("<td>{}</td>", escape(&cell)));
            }
            self.out.push_str("</tr>\n");
        }
        self.out.push_str("</tbody></table></div>\n");
    }

    /// The drawing with its name and description, and its numbers in full under it.
    pub fn plot(&mut self, plot: &Plot) {
        self.plots += 1;
        let svg = plot.svg(self.plots);
        let (id, title) = (plot.id, escape(plot.title));
        self.add(format_args!(
            "<figure class=\"{id}\"><figcaption>{title}</figcaption>\n{svg}"
        ));
        self.add(format_args!(
            "<details><summary>Data of {title}</summary><div class=\"data\"><table><thead><tr>\
             <th scope=\"col\">series</th><th scope=\"col\">{}</th><th scope=\"col\">{}</th>\
             <th scope=\"col\">note</th></tr></thead><tbody>\n",
            escape(plot.column_x()),
            escape(plot.column_y()),
        ));
        for series in &plot.series {
            for (at, point) in series.points.iter().enumerate() {
                // In full: what a program reads here is what the JSON says.
                self.add(format_args!(
                    "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                    escape(&series.name),
                    point[0],
                    point[1],
                    escape(series.labels.get(at).map_or("", String::as_str)),
                ));
            }
        }
        self.out
            .push_str("</tbody></table></div></details></figure>\n");
    }

    pub fn finish(mut self) -> String {
        self.out.push_str("</main></body></html>\n");
        self.out
    }
}
