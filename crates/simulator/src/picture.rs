//! A picture of one script as SVG: actors in the order in which money reaches them, an arrow per
//! transfer, and what else was done, in time order from top to bottom.

use std::fmt::Write;

use crate::modus::Modus;
use crate::random::{Dice, Purpose};
use crate::time::{HOUR_MS, Time};
use crate::typology::{Action, Manner, Part, Script, Step, Typology, Via};

const COLUMN: i64 = 92;
const ROW: i64 = 26;
const TOP: i64 = 84;
const LEFT: i64 = 110;
/// Scripts of many actors are drawn with fewer of them: the shape shows with these.
const CAP: u32 = 14;

/// A script of the typology drawn from the seed, on a white ground, without outside references.
pub fn picture(typology: Typology, seed: u64) -> String {
    let manner = Manner {
        camouflage: 0.8,
        modus: Modus::FIRST,
        dice: Dice::new(seed, Purpose::Step, 0, 0),
    };
    let shape = Dice::new(seed, Purpose::Shape, typology as u64, 0);
    let script = typology.script(Time(0), CAP, shape, manner);
    draw(typology, &script)
}

fn draw(typology: Typology, script: &Script) -> String {
    let width = LEFT + COLUMN * script.parts.len() as i64 + 20;
    let height = TOP + ROW * script.steps.len() as i64 + 20;
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"#b3261e\"/></marker></defs>",
        typology.name()
    );
    for (place, &part) in script.parts.iter().enumerate() {
        let x = column(place);
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"36\" r=\"13\" fill=\"{}\"/>\
             <text x=\"{x}\" y=\"66\" text-anchor=\"middle\">{}</text>\
             <line x1=\"{x}\" y1=\"72\" x2=\"{x}\" y2=\"{}\" stroke=\"#ddd\"/>",
            colour(part),
            part_name(part),
            height - 10
        );
    }
    for (place, step) in script.steps.iter().enumerate() {
        draw_step(&mut svg, step, TOP + ROW * place as i64 + 10);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_step(svg: &mut String, step: &Step, y: i64) {
    let x = column(usize::from(step.actor));
    let hours = step.at.0 / HOUR_MS;
    let _ = write!(
        svg,
        "<text x=\"8\" y=\"{}\" fill=\"#555\">{} d {:02} h  {}</text>",
        y + 4,
        hours / 24,
        hours % 24,
        step.stage.name()
    );
    let ink = if step.fraud { "#b3261e" } else { "#777" };
    if let Action::Send(to, _) = step.action {
        let end = column(usize::from(to));
        let gap = if end > x { -4 } else { 4 };
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{ink}\" stroke-width=\"1.6\" \
             marker-end=\"url(#tip)\"/><circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{ink}\"/>",
            end + gap
        );
        return;
    }
    // a square stands for somebody else's screen, a dot for the own
    let mark = match step.via {
        Via::Owner => format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"4\" fill=\"{ink}\"/>"),
        Via::Ring(_) => format!(
            "<rect x=\"{}\" y=\"{}\" width=\"8\" height=\"8\" fill=\"{ink}\"/>",
            x - 4,
            y - 4
        ),
    };
    let _ = writeln!(
        svg,
        "{mark}<text x=\"{}\" y=\"{}\" fill=\"{ink}\">{}</text>",
        x + 7,
        y + 4,
        action_name(step.action)
    );
}

fn column(place: usize) -> i64 {
    LEFT + COLUMN * place as i64 + COLUMN / 2
}

fn colour(part: Part) -> &'static str {
    match part {
        Part::Victim | Part::Visitor => "#4a7fb5",
        Part::Mule => "#d9902f",
        Part::Fresh => "#8e5ea2",
        Part::Borrower => "#5a9a5a",
        Part::Outside => "#999",
    }
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Victim => "victim",
        Part::Visitor => "visitor",
        Part::Mule => "mule",
        Part::Fresh => "new account",
        Part::Borrower => "borrower",
        Part::Outside => "other bank",
    }
}

fn action_name(action: Action) -> &'static str {
    match action {
        Action::Open => "opens",
        Action::Login => "logs in",
        Action::ChangeProfile => "changes profile",
        Action::RaiseLimit => "raises limit",
        Action::Fund(_) => "is funded",
        Action::Pay(..) => "pays",
        Action::Send(..) => "sends",
        Action::Cash(_) => "cash",
        Action::Default => "stops repaying",
        Action::Watch => "terminal copies cards",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shows_every_actor_and_every_step_once() {
        for typology in Typology::ALL {
            let svg = picture(typology, 7);
            let manner = Manner {
                camouflage: 0.8,
                modus: Modus::FIRST,
                dice: Dice::new(7, Purpose::Step, 0, 0),
            };
            let shape = Dice::new(7, Purpose::Shape, typology as u64, 0);
            let script = typology.script(Time(0), CAP, shape, manner);
            let sends = script
                .steps
                .iter()
                .filter(|s| matches!(s.action, Action::Send(..)))
                .count();
            assert_eq!(
                svg.matches("r=\"13\"").count(),
                script.parts.len(),
                "{}",
                typology.name()
            );
            assert_eq!(
                svg.matches("marker-end").count(),
                sends,
                "{}",
                typology.name()
            );
            assert_eq!(
                svg.matches(" h  ").count(),
                script.steps.len(),
                "{}",
                typology.name()
            );
            assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
        }
    }
}
