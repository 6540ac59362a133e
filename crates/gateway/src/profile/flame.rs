//! A flame graph as one picture (SVG) without a script: a box's width is its share of the processor time, what it
//! called stands on it, and a browser shows its name and share when it is pointed at.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Profile;

const WIDTH: f64 = 1600.0;
const ROW: f64 = 17.0;
const HEAD: f64 = 24.0;
/// What is thinner is left out: nobody sees it, and a profile has thousands.
const THINNEST: f64 = 0.3;
/// Of a letter, so that text stays within its box.
const LETTER: f64 = 6.6;

#[derive(Default)]
struct Node<'a> {
    count: u64,
    on_it: BTreeMap<&'a str, Node<'a>>,
}

impl Profile {
    pub fn flame_graph(&self) -> String {
        let mut root = Node::default();
        for (stack, count) in &self.stacks {
            root.count += count;
            let mut node = root.on_it.entry(&stack.thread).or_default();
            node.count += count;
            for frame in &stack.frames {
                node = node.on_it.entry(&frame.function).or_default();
                node.count += count;
            }
        }
        let levels = depth(&root, WIDTH / root.count.max(1) as f64);
        let height = HEAD + ROW * levels as f64;
        let (seconds, hz) = (self.took.as_secs_f64(), self.hz);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"monospace\" font-size=\"11\">\n\
             <text x=\"4\" y=\"16\">{} samples in {seconds:.1} s, {hz} for each second of processor time</text>\n",
            root.count
        );
        let drawing = Drawing {
            total: root.count.max(1),
            height,
        };
        drawing.row(&mut out, &root, 0.0, 0);
        out.push_str("</svg>\n");
        out
    }
}

fn depth(node: &Node<'_>, scale: f64) -> usize {
    let drawn = node
        .on_it
        .values()
        .filter(|it| it.count as f64 * scale >= THINNEST);
    drawn.map(|it| 1 + depth(it, scale)).max().unwrap_or(0)
}

struct Drawing {
    total: u64,
    height: f64,
}

impl Drawing {
    /// What stands on a box that begins at `x`.
    fn row(&self, out: &mut String, node: &Node<'_>, mut x: f64, level: usize) {
        let y = self.height - ROW * (level + 1) as f64;
        for (name, held) in &node.on_it {
            let width = held.count as f64 / self.total as f64 * WIDTH;
            if width >= THINNEST {
                self.draw(out, (name, held.count), (x, y, width));
                self.row(out, held, x, level + 1);
            }
            x += width;
        }
    }

    fn draw(&self, out: &mut String, (name, count): (&str, u64), (x, y, width): (f64, f64, f64)) {
        let share = count as f64 / self.total as f64 * 100.0;
        let room = ((width - 4.0) / LETTER) as usize;
        let shown: String = match room {
            0..3 => String::new(),
            room => name.chars().take(room).collect(),
        };
        // One colour for one name, so that a function is found again elsewhere.
        let hue = name
            .bytes()
            .fold(0_u32, |hue, byte| (hue * 31 + u32::from(byte)) % 60);
        // Writing to a text does not fail.
        let _ = writeln!(
            out,
            "<g><title>{} ({count}, {share:.1} %)</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{:.1}\" fill=\"hsl({hue},70%,65%)\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            escaped(name),
            ROW - 1.0,
            x + 2.0,
            y + 12.0,
            escaped(&shown),
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
