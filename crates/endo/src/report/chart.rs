//! The frame of a figure: title, axes, grid, legend.
//!
//! In: scales and names. Out: places for numbers, and the figure as SVG, within a page or as a file
//! of its own.

use super::scale::Scale;
use super::svg::{Svg, escape};

/// The number of bytes of what a figure shows that are in the name of its file.
const LONGEST_FILE: usize = 200;

/// A figure and what it is called.
pub struct Figure {
    /// Its file, without the ending.
    pub file: String,
    /// What it shows, above it.
    pub title: String,
    /// How to read it, where the title does not say it.
    pub note: String,
    /// The height in units; all are 420 wide.
    height: f64,
    content: String,
}

pub const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// The height of a line of the legend.
const LINE: f64 = 17.0;

/// What colours and lines look like where no page says so. The colours can be told apart by eyes
/// that do not see all (Okabe and Ito 2008, "Color Universal Design").
pub const STYLE: &str = include_str!("figure.css");

/// The number of colours; after the last one they begin again.
const COLOURS: usize = 8;

/// The class of the colour of a number.
pub fn colour(index: usize) -> String {
    format!("c{}", index % COLOURS)
}

/// A figure being drawn.
pub struct Chart {
    pub svg: Svg,
    x: Scale,
    y: Scale,
    top: f64,
    height: f64,
}

impl Chart {
    /// A frame with both axes, and a legend of names with the class of each.
    pub fn new(x: Scale, y: Scale, x_label: &str, legend: &[(String, String)]) -> Self {
        let mut svg = Svg::default();
        let top = draw_legend(&mut svg, legend);
        let chart_height = HEIGHT - BOTTOM - 10.0;
        let mut chart = Self { svg, x, y, top, height: chart_height };
        for (value, text) in y.ticks() {
            let [_, place] = chart.place([0.0, value]);
            chart.svg.line("grid", [LEFT, place], [WIDTH - RIGHT, place]);
            chart.svg.text("tick", [LEFT - 6.0, place + 3.5], "end", &text);
        }
        let foot = top + chart_height;
        for (value, text) in x.ticks().into_iter().filter(|(value, _)| value.fract() == 0.0) {
            let place = LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
            chart.svg.line("axis", [place, foot], [place, foot + 4.0]);
            chart.svg.text("tick", [place, foot + 15.0], "middle", &text);
        }
        chart.svg.line("axis", [LEFT, foot], [WIDTH - RIGHT, foot]);
        chart.svg.text("label", [WIDTH - RIGHT, foot + 29.0], "end", x_label);
        chart
    }

    /// Where a pair of numbers lies.
    pub fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [
            LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT),
            self.top + (1.0 - self.y.place(y)) * self.height,
        ]
    }

    /// The figure.
    pub fn finish(self, file: &str, title: &str, note: &str) -> Figure {
        let logarithmic = if self.y.is_logarithmic() { "logarithmic scale" } else { "" };
        let note = [note, logarithmic]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        Figure::drawn(file, title, &note, self.top + self.height + BOTTOM, self.svg)
    }
}

/// Names with their colours, as many in a line as fit; returns where the rest of the figure begins.
fn draw_legend(svg: &mut Svg, legend: &[(String, String)]) -> f64 {
    let (mut x, mut y) = (LEFT, 6.0);
    for (name, class) in legend {
        // Letters of this size are about so wide.
        let width = 22.0 + 6.1 * name.chars().count() as f64;
        if x > LEFT && x + width > WIDTH - RIGHT {
            (x, y) = (LEFT, y + LINE);
        }
        svg.rectangle(&format!("key {class}"), [x, y], [10.0, 10.0]);
        svg.text("name", [x + 15.0, y + 9.0], "start", name);
        x += width;
    }
    if legend.is_empty() { 10.0 } else { y + LINE + 6.0 }
}

impl Figure {
    /// Within a page, which has the style.
    pub fn inline(&self) -> String {
        let (title, height) = (escape(&self.title), self.height);
        format!(
            "<svg class=\"figure\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
                aria-label=\"{title}\">\n{}</svg>",
            self.content
        )
    }

    /// As a file of its own, with its title and style.
    pub fn standalone(&self) -> String {
        let (title, note, height) = (escape(&self.title), escape(&self.note), self.height + 44.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" width=\"{WIDTH}\" \
                height=\"{height:.0}\" \
             viewBox=\"0 -44 {WIDTH} {height:.0}\">\n<style>{STYLE}</style>\n\
             <rect class=\"paper\" x=\"0\" y=\"-44\" width=\"{WIDTH}\" height=\"{height:.0}\"/>\n\
             <text class=\"title\" x=\"12\" y=\"-24\">{title}</text>\n\
             <text class=\"label\" x=\"12\" y=\"-8\">{note}</text>\n{}</svg>\n",
            self.content
        )
    }

    /// Of a shape of its own.
    pub fn drawn(file: &str, title: &str, note: &str, height: f64, svg: Svg) -> Self {
        let plain = |letter: char| if letter.is_alphanumeric() { letter } else { '_' };
        let file = file[..file.floor_char_boundary(LONGEST_FILE)].chars().map(plain).collect();
        Self { file, title: title.to_string(), note: note.to_string(), height, content: svg.0 }
    }
}
